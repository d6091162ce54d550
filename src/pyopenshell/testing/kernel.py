"""A kernel that is not this one: what a policy would come to there."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from pyopenshell.devices.host import LANDLOCK_SINCE, Broker, Host, Namespaces
from pyopenshell.landlock.abi import MAX_ABI
from pyopenshell.planning import RunRequest, plan
from pyopenshell.record import Record
from pyopenshell.sandbox import request
from pyopenshell.sandbox.base import PROGRAMS
from pyopenshell.sandbox.why import InForce

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Literal

    from pyopenshell.policy.model import Policy

BEFORE_LANDLOCK = "5.10"
"""The release of a fake kernel without Landlock: the last one before it with long-term support."""


class FakeKernel(Record):
    """A kernel to plan for. ``host`` is what it answers to all that a launch asks of it."""

    host: Host

    def plan(
        self,
        policy: Policy | str | os.PathLike[str] | None = None,
        *,
        command: Sequence[str | os.PathLike[str]] = (),
        name: str | None = None,
        gpu: int | Literal["all"] | None = None,
        devices: Sequence[str] = (),
        cdi_spec_dirs: Sequence[str] = (),
        env: Mapping[str, str | None] | None = None,
        workdir: str | os.PathLike[str] | None = None,
        programs: Sequence[str] = PROGRAMS,
        unsafe_unconfined: bool = False,
    ) -> InForce:
        """Return the effective policy that a sandbox of these arguments would have; nothing is started or written.

        The arguments are those of ``Sandbox``, and ``command`` one that would run in it. Files, accounts and devices
        are those of this machine, and contributors that the policy names are asked. Raises as starting the sandbox
        would: PolicyError, PolicyRefused, IdentityError, CommandError, GpuError, KernelUnsupported, ContributorError,
        UsageError.
        """
        fields = request.fields(
            name=name,
            gpu=gpu,
            devices=devices,
            cdi_spec_dirs=cdi_spec_dirs,
            env=env or {},
            workdir=workdir,
            programs=programs,
            max_abi=None,
            unsafe_unconfined=unsafe_unconfined,
        )
        fields |= {"command": tuple(os.fspath(word) for word in command), "policy": request.policy_of(policy)}
        planned = plan(RunRequest(**fields), host=self.host)
        planned.close()
        return InForce(**vars(planned.effective))


def fake_kernel(abi: int, *, namespaces: bool | Namespaces = True, broker: bool = True) -> FakeKernel:
    """Return a kernel with this ABI of Landlock (0: without Landlock; at most 11), to plan sandboxes on.

    ``namespaces`` says which of them it lets this process make: all, none, or exactly these. An Ubuntu that restricts
    user namespaces is ``Namespaces(user=True, net=True, ipc=True, reason="mount: Permission denied")``. ``broker``:
    whether CUDA's thread names can go through a broker. Raises ValueError for an ABI that nobody knows.
    """
    if not 0 <= abi <= MAX_ABI:
        raise ValueError(f"Landlock has the ABIs 1 to {MAX_ABI}, and 0 stands for a kernel without: {abi} is none")
    if isinstance(namespaces, bool):
        made, user = namespaces, namespaces and os.geteuid() != 0
        reason = None if made else "this kernel is a fake that makes none"
        namespaces = Namespaces(user=user, mount=made, pid=made, net=made, ipc=made, reason=reason)
    host = Host(
        release=LANDLOCK_SINCE.get(abi, BEFORE_LANDLOCK),
        architecture=os.uname().machine,
        landlock_abi=abi,
        landlock_errno=0 if abi else errno.ENOSYS,
        namespaces=namespaces,
        broker=Broker("available") if broker else Broker("unavailable", "this kernel is a fake that has none"),
    )
    return FakeKernel(host)
