"""The client's end of a way into a sandbox: a stream of ``ForwardTcp``, and whatever reads and writes beside it."""

from __future__ import annotations

import asyncio

import grpc
from openshell._proto import openshell_pb2

from pyopenshell.gateway.status import from_rpc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

HOST_KEY = "pyopenshell-ssh-host-key"
"""Trailing metadata of CreateSshSession: the sandbox's public host key, of which the answer has the fingerprint."""
PIECE = 128 << 10
"""Bytes that are read at once."""


async def relay(
    stream: Any,
    init: openshell_pb2.TcpForwardInit,
    read: Callable[[], Awaitable[bytes]],
    write: Callable[[bytes], Awaitable[None]],
) -> None:
    """Pass bytes both ways until the sandbox's side has sent all. ``read`` returns nothing at its end.

    Each direction waits for its reader. Raises OpenShellError, and what ``read`` and ``write`` raise.
    """
    upward = asyncio.create_task(_up(stream, init, read))
    try:
        async for frame in stream:
            if frame.data:
                await write(frame.data)
        if upward.done():
            upward.result()
    except grpc.RpcError as error:
        raise from_rpc(error) from error
    finally:
        upward.cancel()
        stream.cancel()
        await asyncio.gather(upward, return_exceptions=True)


async def _up(stream: Any, init: openshell_pb2.TcpForwardInit, read: Callable[[], Awaitable[bytes]]) -> None:
    try:
        await stream.write(openshell_pb2.TcpForwardFrame(init=init))
        while data := await read():
            await stream.write(openshell_pb2.TcpForwardFrame(data=data))
        await stream.done_writing()
    except (grpc.RpcError, asyncio.InvalidStateError):  # the stream has ended: who reads it learns why
        pass
    except OSError:  # nothing can be read any more
        stream.cancel()
