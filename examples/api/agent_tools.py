"""An agent's tools: each call of the model's runs in a sandbox of the conversation, several at once, with a time limit.

    python3 examples/api/agent_tools.py

Here the model is a list. A real one gets ``Observation`` back as JSON, and asks for more.
"""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import asdict, dataclass

from pyopenshell import AsyncSandbox, Policy
from pyopenshell.errors import CommandError, CommandTimeout

SECONDS = 5.0
"""What one call may take."""
LONGEST = 2_000
"""Characters of an output that a model is shown."""
POLICY = Policy.from_dict({"version": 1, "filesystem_policy": {"include_workdir": True}})


@dataclass(frozen=True)
class Call:
    """What the model asked for."""

    tool: str
    argument: str


@dataclass(frozen=True)
class Observation:
    """What the model is told."""

    call: Call
    outcome: str
    output: str


TOOLS = {"python": ("python3", "-c"), "shell": ("/bin/sh", "-c")}
CALLS = (
    Call("python", "print(sum(range(10)))"),
    Call("shell", "echo secret > notes.txt && wc -c < notes.txt"),
    Call("shell", "cat /etc/shadow"),
    Call("python", "while True: pass"),
    Call("search", "the web"),
)


async def observe(box: AsyncSandbox, call: Call) -> Observation:
    """Make one call; whatever comes of it is an observation, not an exception."""
    if call.tool not in TOOLS:
        return Observation(call, "no such tool", "")
    try:
        result = await box.run([*TOOLS[call.tool], call.argument], timeout=SECONDS)
    except CommandTimeout as error:
        return Observation(call, "took too long", error.result.stdout[:LONGEST])
    except CommandError as error:
        return Observation(call, f"cannot be started: {error.message}", "")
    outcome = "done" if result.ok else f"failed with exit code {result.exit}"
    return Observation(call, outcome, (result.stdout + result.stderr)[:LONGEST])


async def converse(calls: tuple[Call, ...]) -> list[Observation]:
    """Make all calls of one turn at once, in one sandbox: they share its files, and nothing else has them."""
    async with AsyncSandbox(POLICY) as box:
        return await asyncio.gather(*(observe(box, call) for call in calls))


def main() -> int:
    """Print what the model would be told, one JSON object a line."""
    for observation in asyncio.run(converse(CALLS)):
        print(json.dumps(asdict(observation)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
