"""Try, inside a sandbox, which descendants of its first process can open a thread's ``comm`` for writing.

Runs alone, as ``evidence.probe`` does. Opens as CUDA does (O_RDWR, by ``/proc/self``), writes nothing there, and
prints a line for each: who, and ``opens`` or the errno.
"""

import errno
import os
import sys
import threading
from collections.abc import Callable

AFTER_EXEC = "the first process, after an exec"


def tell(who: str) -> None:
    """Try it for the thread that asks, and print what came of it."""
    outcome = "opens"
    try:
        os.close(os.open(f"/proc/self/task/{threading.get_native_id()}/comm", os.O_RDWR))
    except OSError as error:
        outcome = errno.errorcode[error.errno or 0]
    os.write(1, f"{who}: {outcome}\n".encode())


def forked(action: Callable[[], object]) -> None:
    """Do it in a child, and wait for that."""
    pid = os.fork()
    if pid == 0:
        action()
        os._exit(0)
    os.waitpid(pid, 0)


def again(who: str) -> None:
    """Execute this program anew in this process, as somebody else."""
    os.execv("/proc/self/exe", [*sys.orig_argv[:-1], who])


def main(who: str) -> None:
    """Be one of them."""
    if who == "all":
        tell("the first process")
        thread = threading.Thread(target=tell, args=("another of its threads",))
        thread.start()
        thread.join()
        again(AFTER_EXEC)
    tell(who)
    if who == AFTER_EXEC:
        forked(lambda: tell("a child"))
        forked(lambda: forked(lambda: tell("a grandchild")))
        forked(lambda: again("a program that a child executed"))


if __name__ == "__main__":
    main(sys.argv[1])
