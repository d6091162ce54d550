"""A Jupyter kernel in a sandbox, and the launcher's side of its channels."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from contextlib import AsyncExitStack, ExitStack, suppress
from typing import TYPE_CHECKING, Any

from pyopenshell.errors import OpenShellError
from pyopenshell.integrations.door import Door
from pyopenshell.sandbox.box import Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyopenshell.integrations.options import SandboxOptions
    from pyopenshell.policy.model import Policy

CHANNELS = ("shell_port", "iopub_port", "stdin_port", "control_port", "hb_port")
"""The channels of a connection file; inside, each has its place in this list, from 1, for a port."""
_MAX_PATH = 4096
_PIECE = 1 << 16


class Kernel:
    """One kernel, from its sandbox's start to its end."""

    def __init__(self, policy: Policy | str | os.PathLike[str] | None, options: SandboxOptions, python: str) -> None:
        """Take the sandbox's arguments and the Python that has ipykernel."""
        self._sandbox = Sandbox(policy, **options)
        self._python = python

    async def run(self, told: dict[str, Any]) -> int:
        """Be the kernel that this connection file describes, until it ends. Returns its exit status.

        SIGINT is passed on to the kernel; SIGTERM ends it, and so does the end of JPY_PARENT_PID.
        """
        loop = asyncio.get_running_loop()
        async with AsyncExitStack() as stack:
            stack.enter_context(self._sandbox)
            door, path = self._begin(stack, told)
            # Where the program beside it found that temporary files may be written, it shall find so, too.
            temporary = {"TMPDIR": os.path.dirname(os.path.dirname(path))}
            words = [self._python, "-m", "ipykernel_launcher", "-f", path]
            process = self._sandbox.popen(words, env=temporary)
            stack.callback(process.kill)
            loop.add_signal_handler(signal.SIGINT, process.send_signal, signal.SIGINT)
            loop.add_signal_handler(signal.SIGTERM, process.kill)
            stack.callback(_watch_parent(process.kill))
            for at, name in enumerate(CHANNELS):
                server = await _listen(door, told, 1 + at, told[name])
                stack.callback(server.close)
            status = await asyncio.to_thread(process.wait)
        return status if status >= 0 else 128 - status

    def _begin(self, stack: AsyncExitStack, told: dict[str, Any]) -> tuple[Door, str]:
        """Start the program beside the kernel; return the door to it and the path of the kernel's connection file."""
        door = Door(self._sandbox, self._python, "connector")
        stack.callback(door.close)
        door.send(json.dumps({**told, **{name: 1 + at for at, name in enumerate(CHANNELS)}}).encode())
        return door, os.fsdecode(bytes(door.receive(_MAX_PATH)))


async def _listen(door: Door, told: dict[str, Any], channel: int, port: int) -> asyncio.Server:
    """Listen where clients look for this channel."""

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _carry(door, channel, reader, writer)

    try:
        if told["transport"] == "ipc":
            return await asyncio.start_unix_server(carry, f"{told['ip']}-{port}")
        return await asyncio.start_server(carry, told["ip"], port)
    except OSError as error:
        raise OpenShellError(
            f"cannot listen where Jupyter's clients look for the kernel ({told['ip']}, {port}): {error}",
            hint="something else listens there; with transport ipc, JUPYTER_RUNTIME_DIR may be too long a path",
        ) from error


async def _carry(door: Door, channel: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carry bytes between a client and the kernel, until one of them closes."""
    with suppress(OSError), ExitStack() as stack:  # either is gone, or takes no more
        stack.callback(writer.close)
        inside, outside = await _connect(stack, door, channel)
        ways = [asyncio.ensure_future(_copy(reader, outside)), asyncio.ensure_future(_copy(inside, writer))]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)


async def _connect(stack: ExitStack, door: Door, channel: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Return what comes from a channel of the kernel and what goes to it: pipes, whose other ends are handed in.

    The program beside the kernel waits until that listens. Raises OSError.
    """
    with ExitStack() as given:
        coming, theirs = os.pipe()
        given.callback(os.close, theirs)
        from_kernel = stack.enter_context(open(coming, "rb", buffering=0))
        source, going = os.pipe()
        given.callback(os.close, source)
        to_kernel = stack.enter_context(open(going, "wb", buffering=0))
        door.hand_in(bytes([channel]), [source, theirs])
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    made = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), from_kernel)
    stack.callback(made[0].close)
    transport, protocol = await loop.connect_write_pipe(
        lambda: asyncio.StreamReaderProtocol(asyncio.StreamReader()), to_kernel
    )
    stack.callback(transport.close)
    return reader, asyncio.StreamWriter(transport, protocol, None, loop)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(_PIECE):
        writer.write(data)
        await writer.drain()


def _watch_parent(ended: Callable[[], None]) -> Callable[[], None]:
    """Call ``ended`` when the process that Jupyter named as the kernel's parent ends. Returns what stops the watch."""
    number = os.environ.get("JPY_PARENT_PID", "")
    if not number.isdecimal() or int(number) <= 1:
        return lambda: None
    try:
        parent = os.pidfd_open(int(number))
    except OSError:
        return lambda: None
    loop = asyncio.get_running_loop()

    def stop() -> None:
        loop.remove_reader(parent)
        os.close(parent)

    def gone() -> None:
        loop.remove_reader(parent)
        ended()

    loop.add_reader(parent, gone)
    return stop
