"""A terminal session: a program that wants a terminal gets one of the sandbox's own, and this one types into it.

    python3 examples/api/terminal.py

The caller's own terminal is never given away: what is typed here goes through this program alone.
"""

from __future__ import annotations

import os
import sys

from pyopenshell import Process, Sandbox

PROMPT = b">>> "


def read_until(process: Process, end: bytes) -> str:
    """Return what the session shows up to ``end``, or until it ends."""
    seen = b""
    assert process.master is not None
    while not seen.endswith(end):
        try:
            data = os.read(process.master, 4096)
        except OSError:  # EIO: nobody has the other side open any more
            break
        if not data:
            break
        seen += data
    return seen.decode(errors="replace")


def main() -> int:
    """Ask an interactive Python for what it sees, resize its terminal, and leave."""
    shell = ["python3", "-q", "-i", "-c", "import os"]
    with Sandbox() as box, box.popen(shell, env={"TERM": "dumb"}, terminal=(24, 80)) as process:
        read_until(process, PROMPT)
        assert process.master is not None
        for line, size in (("os.get_terminal_size()", (24, 80)), ("os.get_terminal_size()", (50, 132))):
            process.resize(*size)
            os.write(process.master, line.encode() + b"\n")
            for shown in read_until(process, PROMPT).splitlines():
                if shown.startswith("os.terminal_size"):
                    print(shown.strip())
        os.write(process.master, b"raise SystemExit(7)\n")
        read_until(process, b"\0")
        return process.wait(timeout=10)


if __name__ == "__main__":
    sys.exit(main())
