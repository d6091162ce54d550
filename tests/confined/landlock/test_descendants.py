"""What one process gave up, every kind of descendant has given up too; what it kept, they keep."""

from __future__ import annotations

import errno
import os
import threading
from typing import TYPE_CHECKING

import pytest

from pyopenshell.landlock.downgrade import handled
from pyopenshell.policy.access import READ_ONLY
from tests.confined.landlock import harness
from tests.confined.landlock.field import field

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = harness.needs_landlock

SHELL = "/bin/sh"


def write(path: str) -> int:
    return harness.errno_of(lambda: os.close(os.open(path, os.O_WRONLY)))


def child(path: str) -> int:
    answer = harness.in_child(lambda: write(path))
    assert isinstance(answer, int)
    return answer


def grandchild(path: str) -> int:
    answer = harness.in_child(lambda: child(path))
    assert isinstance(answer, int)
    return answer


def executed(path: str) -> int:
    """A program that was exec'd appends to the file; its shell says no more than yes or no."""
    pid = os.posix_spawn(SHELL, [SHELL, "-c", 'exec 2>&-; : >> "$0"', path], {})
    return 0 if os.waitpid(pid, 0)[1] == 0 else errno.EACCES


def orphan(path: str) -> int:
    """A grandchild whose parent has gone, and that has another one now."""
    reader, writer = os.pipe()
    parent = os.fork()
    if parent == 0:
        middle = os.getpid()
        if os.fork() == 0:
            while os.getppid() == middle:
                os.sched_yield()
            os.write(writer, bytes([write(path)]))
        os._exit(0)
    os.waitpid(parent, 0)
    return os.read(reader, 1)[0]


def thread(path: str) -> int:
    answers: list[int] = []
    worker = threading.Thread(target=lambda: answers.append(write(path)))
    worker.start()
    worker.join()
    return answers[0]


KINDS = (write, child, grandchild, executed, orphan, thread)


@pytest.mark.parametrize("who", harness.WHO)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_descendant(kind: Callable[[str], int], who: str):
    """Without write_file every descendant's write is denied; with it every one's passes."""
    uid = harness.identity(who)
    handles = handled(harness.ABI, tcp=False)
    system = [(path, READ_ONLY) for path in ("/usr", "/bin", "/lib", "/lib64", "/etc") if os.path.exists(path)]
    with field(uid) as root:

        def attempt(access: tuple[str, ...]) -> int:
            def action() -> int:
                harness.enforce(handles, [*system, (root, access)], uid=uid)
                return kind(f"{root}/file")

            answer = harness.in_child(action)
            assert isinstance(answer, int)
            return answer

        assert [errno.EACCES, 0] == [attempt(READ_ONLY), attempt((*READ_ONLY, "write_file"))]


def test_earlier_thread_stays_free():
    """Landlock restricts the calling thread: one started before is not covered, so a launch must have no other."""
    with field() as root:

        def action() -> list[int]:
            go, answers = threading.Event(), []

            def work() -> None:
                go.wait()
                answers.append(write(f"{root}/file"))

            worker = threading.Thread(target=work)
            worker.start()
            harness.enforce(handled(harness.ABI, tcp=False))
            go.set()
            worker.join()
            return [*answers, write(f"{root}/file")]

        assert [0, errno.EACCES] == harness.in_child(action)
