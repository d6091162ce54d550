"""What to try on procfs: a thread's own name, the names of others, and what else of a process can be opened.

Each is opened by a program executed for it: the broker reads the paths of such, and they own their files in procfs.
Nothing is ever written.
"""

from __future__ import annotations

import os

from pyopenshell.launch.probe import OTHER, OWN
from pyopenshell.verify.attempt import ALLOWED, DENIED, PROCESSES, THREAD_NAMES, About

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyopenshell.verify.attempt import Attempt
    from pyopenshell.verify.rules import Rules

OWN_NAMES = (
    (b"/proc/self/task/" + OWN + b"/comm", os.O_RDWR),  # as glibc does for CUDA
    (b"/proc/self/comm", os.O_RDWR),
    (b"/proc/" + OWN + b"/comm", os.O_WRONLY),
    (b"/proc/thread-self/comm", os.O_RDWR | os.O_APPEND),
)
"""What the broker answers for, in the spellings that it follows."""
NOT_FOLLOWED = (
    (b"/proc/self/comm", os.O_RDWR | os.O_TRUNC),
    (b"/proc/self/../self/comm", os.O_RDWR),
    (b"/proc/self/task/../comm", os.O_RDWR),
    (b"/proc/" + OWN + b"/root/proc/self/comm", os.O_RDWR),
)
"""The same file in ways that Landlock alone decides about."""
OF_OTHERS = (
    b"/proc/" + OTHER + b"/comm",
    b"/proc/" + OTHER + b"/task/" + OTHER + b"/comm",
    b"/proc/" + OTHER + b"/oom_score_adj",
)
OWN_FILES = (b"/proc/self/oom_score_adj", b"/proc/self/coredump_filter", b"/proc/self/clear_refs")
SETTINGS = (b"/proc/sys/kernel/core_pattern", b"/proc/sys/vm/overcommit_memory", b"/proc/sysrq-trigger")
SECRETS = (b"environ", b"mem", b"maps")
"""What only a process that might trace another can read."""


def thread_names(rules: Rules, *, brokered: bool) -> Iterator[Attempt]:
    """Try to name own threads, in every spelling, and others'."""
    wide = rules.expect("/proc", "write_file")
    for path, flags in OWN_NAMES:
        yield _write("its own threads", path, ALLOWED if brokered else wide, flags)
    for path, flags in NOT_FOLLOWED:
        rights = ("write_file", "truncate") if flags & os.O_TRUNC else ("write_file",)
        yield _write("its own, spelled otherwise", path, rules.expect("/proc", *rights), flags)
    for path in OF_OTHERS:
        yield _write("of another process in it", path, wide, os.O_RDWR)
    # A thread that is not the caller's is not there, whatever the rules.
    yield _write("of another process in it", b"/proc/self/task/" + OTHER + b"/comm", DENIED, os.O_RDWR)
    for path in OWN_FILES:
        yield _write("other files of its own", path, wide)
    for path in (b"/proc/self/mem", b"/proc/" + OTHER + b"/mem") if wide == DENIED else ():
        yield _write("memory", path, DENIED, os.O_RDWR)
    for path in SETTINGS:
        yield _write("settings of the kernel", path, wide, modes=(path, os.W_OK))


def processes(rules: Rules, init: int, others: tuple[int, ...], *, may_signal: bool) -> Iterator[Attempt]:
    """Try processes outside, as far as they can be seen, and init: its memory is a copy of the launcher's.

    ``init``: as the sandbox numbers it, 0 where that is not known. ``others``: processes outside, where it sees them.
    ``may_signal``: the report says that signals are not kept apart.
    """
    wide = rules.expect("/proc", "write_file")
    first, outside = About(PROCESSES, "the sandbox's first process"), About(PROCESSES, "outside of the sandbox")
    for path in [b"/proc/%d/%s" % (init, name) for name in SECRETS if init]:
        yield first.attempt(path.decode(), "read", DENIED, ("open", None, path, os.O_RDONLY))
    for pid in others:
        for path in [b"/proc/%d/%s" % (pid, name) for name in SECRETS if rules.handled]:
            yield outside.attempt(path.decode(), "read", DENIED, ("open", (path, os.R_OK), path, os.O_RDONLY))
        for path in (b"/proc/%d/comm" % pid, b"/proc/%d/oom_score_adj" % pid):
            yield outside.attempt(path.decode(), "write", wide, ("run", (path, os.W_OK), path, os.O_WRONLY))
        if not may_signal:
            yield outside.attempt(str(pid), "signal", DENIED, ("call", None, "kill", pid, 0))


def _write(
    subject: str, path: bytes, expected: str, flags: int = os.O_WRONLY, *, modes: tuple[bytes, int] | None = None
) -> Attempt:
    """Open for writing, from a program executed for it; nothing is written."""
    what = "empty" if flags & os.O_TRUNC else "write"
    shown = path.replace(OWN, b"<own pid>").replace(OTHER, b"<other pid>").decode()
    return About(THREAD_NAMES, subject).attempt(shown, what, expected, ("run", modes, path, flags))
