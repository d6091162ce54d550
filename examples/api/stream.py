"""Output as it comes: follow a long command line by line, and stop it as soon as enough is known.

    python3 examples/api/stream.py

Leaving the loop kills the command and all that it started.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from pyopenshell import Sandbox

SUITE = """
import sys, time
for number in range(1000):
    print(f"test_{number} {'FAILED' if number == 3 else 'ok'}", flush=True)
    print(f"{number} done", file=sys.stderr, flush=True)
    time.sleep(0.01)
"""


def lines(box: Sandbox, command: list[str]) -> Iterator[str]:
    """Give the lines of the command's standard output, each when it is whole."""
    rest = ""
    with box.stream(command) as chunks:
        for chunk in chunks:
            if chunk.stream == "stdout":
                *whole, rest = (rest + chunk.text).split("\n")
                yield from whole
    if rest:
        yield rest


def main() -> int:
    """Stop at the first test that fails."""
    with Sandbox() as box:
        for line in lines(box, ["python3", "-c", SUITE]):
            print(line)
            if line.endswith("FAILED"):
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
