"""The filter that every probe puts itself under: it can open files, and write to nothing but its standard output."""

from __future__ import annotations

import os

from pyopenshell.kernel import syscalls
from pyopenshell.seccomp import bpf
from pyopenshell.seccomp.row import Condition, Row, each

REASON = "evidence is taken without changing anything"
CHANGING = os.O_CREAT | os.O_TRUNC
WRITES = "pwrite64 writev pwritev pwritev2 sendfile splice copy_file_range ftruncate truncate fallocate"
LATER = "io_uring_setup openat2 creat"
"""Ways around the rows above."""


def program() -> bytes:
    """Return it, for this machine. A call that it refuses fails with EPERM, and the probe with it."""
    only_stdout = Condition(0, (1, 2), negated=True)
    return bpf.build(
        (
            Row("write", "errno:EPERM", REASON, "not to standard output or error", (only_stdout,)),
            Row("openat", "errno:EPERM", REASON, "O_CREAT or O_TRUNC", (_changing(2),)),
            Row("open", "errno:EPERM", REASON, "O_CREAT or O_TRUNC", (_changing(1),)),
            *each(f"{WRITES} {LATER}", "errno:EPERM", REASON),
        ),
        syscalls.ARCHITECTURE,
    )


def _changing(argument: int) -> Condition:
    return Condition(argument, (os.O_CREAT, os.O_TRUNC, CHANGING), mask=CHANGING)
