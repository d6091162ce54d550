"""What ``Sandbox`` and ``AsyncSandbox`` share: what is asked for, and what is known of the sandbox once it is there."""

from __future__ import annotations

import os
import threading
import warnings

from pyopenshell.errors import SandboxGone
from pyopenshell.sandbox import request
from pyopenshell.sandbox.command import DEVNULL, PIPE, STDOUT, Command
from pyopenshell.sandbox.job import Job
from pyopenshell.sandbox.result import Evidence
from pyopenshell.zygote.started import useless

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping, Sequence
    from typing import Any, Literal, NoReturn

    from pyopenshell.errors import ZygoteError
    from pyopenshell.policy.model import Policy
    from pyopenshell.sandbox.link import Link
    from pyopenshell.sandbox.request import StrPath
    from pyopenshell.sandbox.why import InForce

PROGRAMS = ("python3", "python")
"""Programs whose own files and environments (a venv, conda, pyenv) a sandbox may read unless others are named."""


class Box:
    """A sandbox of this process: made by ``start``, ended by ``close``."""

    def __init__(
        self,
        policy: Policy | StrPath | None = None,
        *,
        name: str | None = None,
        gpu: int | Literal["all"] | None = None,
        devices: Sequence[str] = (),
        cdi_spec_dirs: Sequence[str] = (),
        env: Mapping[str, str | None] | None = None,
        workdir: StrPath | None = None,
        programs: Sequence[str] = PROGRAMS,
        max_abi: int | None = None,
        unsafe_unconfined: bool = False,
    ) -> None:
        """Say what is wanted; nothing is started yet.

        ``policy`` is one, or a file, or None for the built-in one (the working directory, no network). ``name`` is
        what ``openshell`` commands call the sandbox; one is made up without it. ``gpu`` is how many GPUs: None for
        none, ``"all"`` (or -1) for all there are, 0 for the GPU runtime without a device; ``devices`` are qualified
        CDI names, whose specs are looked for in ``cdi_spec_dirs`` or in the usual places. ``env`` sets variables for
        all commands, and passes on the caller's own value where it says None. ``workdir`` is the folder in which
        commands start (this process's current one). ``programs`` are those whose own environments may be read, each
        as the first word of a command. ``max_abi`` caps the Landlock ABI used; ``unsafe_unconfined`` starts even where
        the kernel has no Landlock.

        Raises PolicyError, OpenShellError (``policy.unreadable``) and UsageError.
        """
        self._link: Link | None = None
        self._starting = threading.Lock()
        self._starts: asyncio.Lock | None = None
        self._evidence: Evidence | None = None
        self._policy = request.policy_of(policy)
        self._request = request.fields(
            name=name,
            gpu=gpu,
            devices=devices,
            cdi_spec_dirs=cdi_spec_dirs,
            env=env or {},
            workdir=workdir,
            programs=programs,
            max_abi=max_abi,
            unsafe_unconfined=unsafe_unconfined,
        )

    @property
    def name(self) -> str:
        """The sandbox's name, for the ``openshell`` command too. Raises SandboxGone where it has none yet."""
        return str(self._request["name"] or self._ready["name"])

    @property
    def run_id(self) -> str:
        """The id of its run record (a ULID). Raises SandboxGone where it was not started."""
        return str(self._ready["run_id"])

    @property
    def record(self) -> str:
        """The folder of its run record. Raises SandboxGone where it was not started."""
        return str(self._ready["record"])

    @property
    def pid(self) -> int:
        """The process id of its first process, as seen from here. Raises SandboxGone where it was not started."""
        return int(self._ready["pid"])

    @property
    def effective(self) -> InForce:
        """Everything it may do, with origin, reason and what the kernel said. Kept when it is closed.

        Raises SandboxGone where it was not started, StateError where its record was damaged.
        """
        return self._proof.effective

    @property
    def receipt(self) -> dict[str, Any]:
        """What the kernel accepted (docs/design.md, section 7). Kept when it is closed.

        Raises SandboxGone where it was not started, StateError where its record was damaged.
        """
        return self._proof.receipt

    @property
    def is_open(self) -> bool:
        """Whether commands can be started in it."""
        return self._evidence is not None and self._link is not None and self._link.is_open

    @property
    def lost(self) -> str | None:
        """Why it ended by itself, where it did: somebody, or the kernel for want of memory, killed what keeps it."""
        if self._link is None:
            return None
        self._link.take()
        return self._link.lost

    def __reduce__(self) -> NoReturn:
        """Refuse to be copied, and pickled: two would each end the one sandbox."""
        raise TypeError(f"a {type(self).__name__} cannot be copied or pickled")

    def __repr__(self) -> str:
        """Show its name and whether it is open."""
        state = "open" if self.is_open else "not started" if self._link is None else "closed"
        ready = self._link.ready if self._link else None
        return f"<{type(self).__name__} {(ready or self._request)['name'] or ''} {state}>".replace("  ", " ")

    def __del__(self) -> None:
        """End a sandbox that was forgotten, and say so."""
        link = getattr(self, "_link", None)
        if link is not None and link.socket.fileno() >= 0:
            warnings.warn(f"unclosed {self!r}", ResourceWarning, source=self, stacklevel=2)
            link.close()

    @property
    def _ready(self) -> dict[str, Any]:
        self._proof  # noqa: B018 - raises where there is nothing
        ready = self._link.ready if self._link else None
        return ready or {}

    @property
    def _proof(self) -> Evidence:
        if self._evidence is None:
            raise SandboxGone("the sandbox was not started", hint="use it in a with block, or call start()")
        return self._evidence

    def _is_known(self) -> bool:
        """Whether there is, or was, a sandbox; also one that another process is starting, of which this is a fork."""
        return self._evidence is not None or (self._link is not None and self._link.pid != os.getpid())

    def _drop(self) -> None:
        """Close the connection to a zygote that had ended."""
        if self._link is not None:
            self._link.close()

    def _useless(self) -> ZygoteError:
        """Return the error for a zygote that ended twice."""
        assert self._link is not None and self._link.zygote is not None  # noqa: S101, PT018 - it was tried
        return useless(self._link.zygote)

    @property
    def _open(self) -> Link:
        """The connection of a sandbox in which commands can be started. Raises SandboxGone."""
        self._proof  # noqa: B018 - raises where there is nothing
        assert self._link is not None  # noqa: S101 - there is evidence
        self._link.check()
        return self._link

    def _job(
        self,
        argv: Sequence[StrPath],
        *,
        input: str | bytes | None,  # noqa: A002 - as in subprocess
        env: Mapping[str, str] | None,
        cwd: StrPath | None,
        timeout: float | None,
        check: bool,
        terminal: bool | tuple[int, int],
        capture: bool = True,
    ) -> Job:
        """Return a command, not asked for yet, whose output is captured."""
        link, given, seconds = self._open, request.data(input), request.seconds(timeout)
        asked = {**request.command(argv, env, cwd, terminal), "quiet": True}
        output = PIPE if capture else None
        command = Command(asked, DEVNULL if given is None else PIPE, output, output)
        return Job(command, link, self._proof, data=given, timeout=seconds, check=check)


def settled(link: Link) -> None:
    """Say what of a sandbox's end somebody should know. Nothing of this is an error of the program that closes it."""
    ended = link.ended or {}
    for trouble in ended.get("troubles", ()):
        warnings.warn(f"{link.name}: {trouble}", RuntimeWarning, stacklevel=3)
    if ended.get("survivors"):
        pids = ", ".join(map(str, ended["survivors"]))
        warnings.warn(f"{link.name}: these processes could not be ended: {pids}", RuntimeWarning, stacklevel=3)


__all__ = ["DEVNULL", "PIPE", "STDOUT", "Box", "settled"]
