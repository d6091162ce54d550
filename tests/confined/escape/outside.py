"""What is outside of a sandbox: its world's namespaces, a bystander, and who is left when it has ended."""

from __future__ import annotations

import os
import select
import subprocess
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from tests.confined.launch import world

if TYPE_CHECKING:
    from collections.abc import Iterator

_WAITING = """
import ctypes, socket, sys
word = ctypes.create_string_buffer(b"a secret of the bystander")
print(ctypes.addressof(word), flush=True)
sys.stdin.read()
"""


def has(sandbox: world.Sandbox, kind: str) -> bool:
    """Whether the sandboxes of this world have their own namespace of this kind: ``mount``, ``pid`` or ``net``."""
    return sandbox.world == world.NAMESPACES or (kind == "net" and sandbox.world == world.NO_MOUNTS)


class Bystander:
    """A waiting program with nothing against being traced: its pid, and the address of its secret."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.pid = process.pid
        self.address = int(world.read_line(process))


@contextmanager
def bystander() -> Iterator[Bystander]:
    """Start one as the user that sandboxes run as. It has executed a program, so that only the sandbox protects it."""
    world.needs_python()
    words = [world.PYTHON, "-I", "-S", "-c", _WAITING]
    user = {"user": world.IDENTITY, "extra_groups": ()} if world.IS_ROOT else {}
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True, **user) as process:
        try:
            yield Bystander(process)
        finally:
            process.kill()


def left(marker: str) -> list[int]:
    """Wait until no process has the marker in an argument; return who still has when that takes too long."""
    end = time.monotonic() + world.SECONDS
    while (pids := world.with_marker(marker)) and time.monotonic() < end:
        with suppress(ProcessLookupError):
            fd = os.pidfd_open(pids[0])
            select.select([fd], [], [], max(0, end - time.monotonic()))
            os.close(fd)
    return pids
