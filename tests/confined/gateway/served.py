"""A gateway's server as a process of its own, for tests that try to kill it: python -m … FOLDER [LIMIT=NUMBER …]."""

import asyncio
import sys

from pyopenshell.gateway import limits
from tests.unit.gateway import tiny


async def main(folder):
    """Serve until standard input ends; says where first."""
    async with tiny.serving(folder, plaintext="127.0.0.1:0") as (running, *_):
        print(running.tls, running.socket, running.plaintext, flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    for choice in sys.argv[2:]:
        name, _, number = choice.partition("=")
        setattr(limits, name, int(number))
    asyncio.run(main(sys.argv[1]))
