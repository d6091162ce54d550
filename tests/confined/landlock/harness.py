"""Forked children for what cannot be undone: they answer over a pipe, and start no second interpreter."""

from __future__ import annotations

import errno
import marshal
import os
import select
import signal
import struct
import traceback
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from pyopenshell.kernel import landlock, process, seccomp, syscalls
from pyopenshell.landlock import downgrade, ruleset
from pyopenshell.landlock.abi import MAX_ABI

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from pyopenshell.landlock.downgrade import Handled

NOBODY = 65534
WHO = ("root", "user")
SECONDS = 20


MASK = "OPENSHELL_TEST_ABI"
"""The environment variable that masks this kernel's Landlock for a test run: no more than this ABI is used (1 to 11).

It is how the ABIs are tried that no kernel at hand has.
"""


def kernel_abi() -> int:
    """The newest Landlock ABI of this kernel that the table knows, 0 without Landlock."""
    try:
        return min(landlock.abi(), MAX_ABI)
    except OSError:
        return 0


def masked(abi: int) -> int:
    """What tests shall take the ABI of a kernel for."""
    return min(abi, int(os.environ.get(MASK, MAX_ABI)))


KERNEL_ABI = kernel_abi()
ABI = masked(KERNEL_ABI)
ABIS = range(1, ABI + 1)
EACH_ABI = [*range(1, ABI), pytest.param(ABI, marks=pytest.mark.kernels)]
"""The same for a test's parameters: every kernel is asked about its own ABI, this one about the older ones too."""
needs_landlock = pytest.mark.skipif(ABI == 0, reason="needs: Landlock")


def options(arguments: Sequence[object]) -> tuple[str, ...]:
    """Return what ``openshell run`` needs besides these arguments to keep to the mask, if there is one."""
    own = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return () if ABI == KERNEL_ABI or "--max-abi" in own else ("--max-abi", str(ABI))


def identity(who: str) -> int | None:
    """The uid a child shall change to, None for its own: ``root`` stays root, ``user`` is an ordinary one."""
    if who == "root" and os.getuid() != 0:
        pytest.skip("needs: root")
    return NOBODY if who == "user" and os.getuid() == 0 else None


def in_child(action: Callable[[], Any]) -> Any:
    """Fork, run the action there and return its value; whatever goes wrong in the child is raised here."""
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the test runner's own threads: the child starts none
        pid = os.fork()
    if pid == 0:
        _answer(writer, action)
    os.close(writer)
    with open(reader, "rb") as pipe:
        answer = pipe.read()
    _, status = os.waitpid(pid, 0)
    if not answer:
        raise AssertionError(f"the child ended with wait status {status} and no answer")
    kind, value = marshal.loads(answer)
    if kind == "error":
        raise AssertionError(f"in the child: {value}")
    return value


def _answer(writer: int, action: Callable[[], Any]) -> None:
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(SECONDS)
    try:
        answer = marshal.dumps(("value", action()))
    except BaseException:  # the parent raises it again
        answer = marshal.dumps(("error", traceback.format_exc()))
    os.write(writer, answer)
    os._exit(0)


def errno_of(operation: Callable[[], object]) -> int:
    """How the kernel answers an operation: 0 or the errno."""
    try:
        operation()
    except OSError as error:
        return error.errno or errno.EIO
    return 0


def enforce(
    handled: Handled,
    rules: Iterable[tuple[str, Iterable[str]]] = (),
    *,
    ports: Iterable[tuple[str, int]] = (),
    uid: int | None = None,
) -> list[dict[str, object]]:
    """Do to this process, in order, what a launch does: open paths, change uid, no_new_privs, Landlock."""
    opened = [(path, os.open(path, os.O_PATH | os.O_CLOEXEC), downgrade.mask(access)) for path, access in rules]
    if uid is not None:
        process.set_ids(uid, uid, ())
    process.set_no_new_privs()
    masks = (downgrade.mask(handled.fs), downgrade.mask(handled.net), downgrade.mask(handled.scoped))
    fd, outcomes = ruleset.build(*masks, opened)
    for right, port in ports:
        landlock.add_port(fd, downgrade.mask((right,)), port)
    ruleset.enforce(fd)
    return outcomes


def confined(
    operation: Callable[[], object],
    handled: Handled,
    rules: Iterable[tuple[str, Iterable[str]]] = (),
    *,
    ports: Iterable[tuple[str, int]] = (),
    uid: int | None = None,
) -> int:
    """Return how the kernel answers an operation inside a sandbox of these rules."""

    def child() -> int:
        enforce(handled, rules, ports=ports, uid=uid)
        return errno_of(operation)

    answer = in_child(child)
    assert isinstance(answer, int)
    return answer


def pretend(name: str, code: int) -> None:
    """From now on let this process's system call of that name do nothing and answer this errno (0: success)."""
    load, jump_equal, give = 0x20, 0x15, 0x06
    number = syscalls.number(name)
    assert number is not None
    process.set_no_new_privs()
    seccomp.install(
        struct.pack("=HBBI", load, 0, 0, 0)
        + struct.pack("=HBBI", jump_equal, 0, 1, number)
        + struct.pack("=HBBI", give, 0, 0, 0x00050000 | code)
        + struct.pack("=HBBI", give, 0, 0, 0x7FFF0000)
    )


@contextmanager
def bystander(uid: int | None = None, handled: Handled | None = None) -> Iterator[int]:
    """A process that only waits, in a sandbox of its own where ``handled`` says so; its pid."""
    reader, writer = os.pipe()
    ready, done = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(writer)
        if uid is not None:
            process.set_ids(uid, uid, ())
        if handled is not None:
            enforce(handled)
        os.write(done, b"1")
        os.read(reader, 1)
        os._exit(0)
    os.close(reader)
    try:
        assert select.select([ready], [], [], SECONDS)[0], "the bystander did not start"
        yield pid
    finally:
        for fd in (writer, ready, done):
            os.close(fd)
        os.waitpid(pid, 0)
