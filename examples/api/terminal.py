"""A terminal session: a program that wants a terminal gets one of the sandbox's own, and this one types into it.

    python3 examples/api/terminal.py

The caller's own terminal is never given away: what is typed here goes through this program alone.
"""

from __future__ import annotations

import os
import sys

from pyopenshell import Process, Sandbox

PROMPT = "ready> "


def read_until(process: Process, end: str) -> str:
    """Return what the session shows up to ``end``, or until it ends."""
    seen = b""
    assert process.master is not None
    while not seen.endswith(end.encode()):
        try:
            data = os.read(process.master, 4096)
        except OSError:  # EIO: nobody has the other side open any more
            break
        if not data:
            break
        seen += data
    return seen.decode(errors="replace")


def main() -> int:
    """Ask a shell for the size of its terminal, before and after that changes, and leave."""
    with Sandbox() as box, box.popen(["/bin/sh", "-i"], env={"PS1": PROMPT}, terminal=(24, 80)) as process:
        assert process.master is not None
        read_until(process, PROMPT)
        for rows, columns in ((24, 80), (50, 132)):
            process.resize(rows, columns)
            os.write(process.master, b"stty size\n")
            typed, answer, *_ = read_until(process, PROMPT).splitlines()
            print(f"{typed}: {answer}")
        os.write(process.master, b"exit 7\n")
        return process.wait(timeout=10)


if __name__ == "__main__":
    sys.exit(main())
