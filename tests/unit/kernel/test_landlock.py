"""What the Landlock calls are given: the smallest structure that does, so that old kernels take it."""

from __future__ import annotations

import ctypes
import errno
import os
from typing import Any

import pytest

from pyopenshell.kernel import landlock
from tests.confined.landlock import harness
from tests.confined.landlock.harness import needs_landlock


@pytest.mark.parametrize(
    ("masks", "size"),
    [
        ((1, 0, 0, 0), 8),
        ((0, 0, 0, 0), 8),
        ((1, 1, 0, 0), 16),
        ((0, 1, 0, 0), 16),
        ((1, 0, 1, 0), 24),
        ((1, 1, 1, 0), 24),
        ((1, 0, 0, 1), 32),
    ],
)
def test_the_smallest_structure(masks: tuple[int, int, int, int], size: int, monkeypatch: pytest.MonkeyPatch):
    """Members that are zero at the end are not sent: a kernel before ABI 4 knows 8 bytes, before ABI 6 16."""
    calls: list[tuple[Any, ...]] = []

    def record(*args: object) -> int:
        calls.append(args)
        return 7

    monkeypatch.setattr(landlock, "call", record)
    assert landlock.create_ruleset(*masks) == 7
    ((name, attr, sent, flags),) = calls
    values = ctypes.cast(attr, ctypes.POINTER(landlock.RulesetAttr)).contents
    assert ("landlock_create_ruleset", size, 0) == (name, sent, flags)
    assert masks == (values.fs, values.net, values.scoped, values.quiet_fs)


@needs_landlock
def test_abi_and_errata():
    """ABIs count from 1; errata are a mask, or 0 where the kernel cannot say."""
    assert landlock.abi() >= 1
    assert landlock.errata() >= 0


def test_no_errata_before_the_kernel_knows_the_question(monkeypatch: pytest.MonkeyPatch):
    """EINVAL means an older kernel; any other error is one."""
    answer = errno.EINVAL

    def refuse(*_args: object) -> int:
        raise OSError(answer, os.strerror(answer))

    monkeypatch.setattr(landlock, "call", refuse)
    assert landlock.errata() == 0
    answer = errno.ENOSYS
    with pytest.raises(OSError, match=os.strerror(errno.ENOSYS)):
        landlock.errata()


@needs_landlock
def test_no_right_at_all():
    """A ruleset that handles nothing is ENOMSG: nothing would be confined."""
    with pytest.raises(OSError, match="landlock_create_ruleset") as caught:
        landlock.create_ruleset(0, 0, 0)
    assert caught.value.errno == errno.ENOMSG


@needs_landlock
def test_the_ruleset_is_not_inherited():
    """The kernel makes the descriptor close-on-exec."""
    fd = landlock.create_ruleset(1, 0, 0)
    assert not os.get_inheritable(fd)
    os.close(fd)


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM])
def test_a_kernel_without_landlock(code: int):
    """Not built in, disabled at boot, or kept away by a filter: the errno comes through."""

    def child() -> int:
        harness.pretend("landlock_create_ruleset", code)
        return harness.errno_of(landlock.abi)

    assert code == harness.in_child(child)
