"""Measure the host once per launch: kernel, Landlock, seccomp, namespaces."""

from __future__ import annotations

import os

from pyopenshell.devices.host import Host
from pyopenshell.errors import KernelUnsupported
from pyopenshell.kernel import landlock, seccomp
from pyopenshell.launch.hints import no_landlock
from pyopenshell.launch.trial import Trial, namespaces


def host(max_abi: int | None = None, trial: Trial | None = None) -> Host:
    """Return the facts. ``max_abi`` pretends an older kernel: only the rights of that ABI are handled.

    ``trial`` is a namespace trial already under way.
    """
    name = os.uname()
    abi, errno = _landlock()
    return Host(
        release=name.release,
        architecture=name.machine,
        landlock_abi=abi if max_abi is None else min(abi, max_abi),
        landlock_errno=errno,
        seccomp=seccomp.action_available(seccomp.RET_ERRNO),
        namespaces=trial.result() if trial else namespaces(),
    )


def is_enough(host: Host, *, unsafe: bool) -> bool:
    """Return whether Landlock will confine the sandbox. Raises KernelUnsupported where it must and cannot."""
    if not host.seccomp:
        raise KernelUnsupported(
            "this kernel has no syscall filters (seccomp)",
            hint="a kernel built with CONFIG_SECCOMP_FILTER is needed; 'openshell doctor' says more",
            code="kernel.no-seccomp",
        )
    if host.landlock_abi or unsafe:
        return host.landlock_abi > 0
    message, hint = no_landlock(host.landlock_errno)
    raise KernelUnsupported(message, hint=hint, code="kernel.no-landlock")


def _landlock() -> tuple[int, int]:
    try:
        return landlock.abi(), 0
    except OSError as error:
        return 0, error.errno or 0
