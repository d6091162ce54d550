"""Ask programs for their version, all at once and not for long, and read what they say."""

from __future__ import annotations

import os
import re
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Sequence

PLACES = ("/usr/bin", "/usr/local/bin", "/usr/sbin", "/usr/local/sbin", "/bin", "/sbin", "/snap/bin", "/opt/bin")
"""Where engines are beside what ``PATH`` names: daemons are in folders that users' paths leave out."""
SECONDS = 5.0
"""How long all of them have together."""
LIMIT = 4096
"""Bytes that count of an answer."""
_VERSION = re.compile(r"(?<![\w.])v?(\d{1,4}\.\d{1,5}(?:\.\d{1,5})?)")


def parsed(text: str) -> str | None:
    """Return the first version in a program's answer, None where there is none."""
    found = _VERSION.search(text)
    return found.group(1) if found else None


def numbers(version: str) -> tuple[int, ...]:
    """Return a version as numbers, which compare as versions do."""
    return tuple(int(part) for part in version.split("."))


def ask(programs: Sequence[str]) -> dict[str, str]:
    """Return what each program prints when it is asked for its version; empty where it did not in time, or may not.

    They run side by side, without input, with a home folder that they cannot write, and are killed with what they
    started when their time is over. As root only what nobody but root can have written is run.
    """
    import subprocess
    import time

    running: dict[str, subprocess.Popen[bytes]] = {}
    deadline = time.monotonic() + SECONDS
    try:
        for program in programs:
            if os.geteuid() == 0 and not only_roots(program):
                continue
            try:
                running[program] = subprocess.Popen(
                    [program, "--version"],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    cwd="/",
                    env={"PATH": ":".join(PLACES), "HOME": "/proc/self", "LC_ALL": "C"},
                    start_new_session=True,
                )
            except OSError:
                continue
        return {program: _answer(process, deadline) for program, process in running.items()}
    finally:
        for process in running.values():
            _end(process)


def _answer(process: subprocess.Popen[bytes], deadline: float) -> str:
    """Read until the end of the output, enough of it, or the deadline."""
    import select
    import time

    assert process.stdout is not None  # noqa: S101 - it is a pipe
    text, fd = b"", process.stdout.fileno()
    while len(text) < LIMIT and select.select([fd], [], [], max(0.0, deadline - time.monotonic()))[0]:
        data = os.read(fd, LIMIT)
        if not data:
            break
        text += data
    return text[:LIMIT].decode("utf-8", "replace")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill the program's whole session and reap it."""
    import signal

    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
    process.kill()
    process.wait(SECONDS)
    if process.stdout is not None:
        process.stdout.close()


def only_roots(path: str) -> bool:
    """Tell whether root owns the file and every folder above it, and others can write none of them."""
    path = os.path.realpath(path)
    while True:
        status = os.stat(path)
        sticky = stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX
        if status.st_uid != 0 or (status.st_mode & 0o022 and not sticky):
            return False
        if path == "/":
            return True
        path = os.path.dirname(path)
