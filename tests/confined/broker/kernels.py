"""Kernels that lack something, pretended on one that has it; for good, so in a process of its own."""

from __future__ import annotations

import errno

import pytest

from pyopenshell.kernel import notification, process, seccomp
from pyopenshell.kernel.syscalls import ARCHITECTURE
from pyopenshell.seccomp import bpf
from pyopenshell.seccomp.row import Condition, Row

UNKNOWN_FLAG = 1 << 20
"""A flag that no kernel knows."""


def refuse(syscall: str, code: int, *conditions: Condition) -> None:
    """Let a system call fail with this errno where all conditions hold, here and in all that is started from here."""
    process.set_no_new_privs()
    row = Row(syscall, f"errno:{errno.errorcode[code]}", "pretended", "pretended" if conditions else "", conditions)
    seccomp.install(bpf.build((row,), ARCHITECTURE))


def refuse_listeners(code: int) -> None:
    """No filter can have a listener."""
    flag = seccomp.FILTER_FLAG_NEW_LISTENER
    refuse("seccomp", code, Condition(1, (flag,), mask=flag))


def without_killable() -> None:
    """Before Linux 5.19: any signal interrupts a call that the broker works on."""
    flag = seccomp.FILTER_FLAG_WAIT_KILLABLE_RECV
    refuse("seccomp", errno.EINVAL, Condition(1, (flag,), mask=flag))


def without_one_step() -> None:
    """Before Linux 5.14: a descriptor is put in place in one step, and its number told in another."""
    pytest.MonkeyPatch().setattr(notification, "ADDFD_FLAG_SEND", UNKNOWN_FLAG)


def without_turns() -> None:
    """Before Linux 6.7: no SYNC_WAKE_UP."""
    refuse("ioctl", errno.EINVAL, Condition(1, (notification.SET_FLAGS,)))


def without_descriptors() -> None:
    """Before Linux 5.9: no descriptor can be put into another process."""
    refuse("ioctl", errno.EINVAL, Condition(1, (notification.ADDFD,)))


def without_reading() -> None:
    """Yama's ptrace_scope 2, as the broker sees it."""
    refuse("process_vm_readv", errno.EPERM)


def linux_5_9() -> None:
    """None of what came later."""
    without_killable()
    without_one_step()
    without_turns()
