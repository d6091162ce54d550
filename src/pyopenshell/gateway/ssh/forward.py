"""Channels to ports inside a sandbox: for ``ssh -L``, ``-W`` and ``-D``."""

from __future__ import annotations

import asyncio

import asyncssh

from pyopenshell.errors import OpenShellError, UsageError
from pyopenshell.gateway.ssh import ports

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyopenshell.gateway.ssh.visit import Visit

_HIGH = 256 << 10
"""Bytes that wait for the sandbox's program, from which on no more is read of the client."""


async def open_channel(visit: Visit, host: str, port: int) -> asyncssh.SSHTCPSession[bytes]:
    """Return the session of a channel that an SSH client asked for. Raises ChannelOpenError."""
    visit.channels += 1
    try:
        reader, writer = await asyncio.open_connection(sock=await ports.connect(visit, host, port))
        return Channel(visit, reader, writer)
    except (OSError, OpenShellError) as error:
        visit.channels -= 1
        raise _failure(error) from error


def _failure(error: OSError | OpenShellError) -> asyncssh.ChannelOpenError:
    """Return what tells an SSH client why its channel is not opened."""
    if isinstance(error, UsageError):
        return asyncssh.ChannelOpenError(asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, error.message)
    if isinstance(error, OpenShellError):
        return asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, error.message)
    return asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, error.strerror or str(error))


class Channel(asyncssh.SSHTCPSession[bytes]):
    """One forwarded connection: what comes from the client goes to the program, and the other way round."""

    def __init__(self, visit: Visit, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take the connection to the program."""
        self._visit, self._reader, self._writer = visit, reader, writer
        self._chan: asyncssh.SSHTCPChannel[bytes]
        self._may_write = asyncio.Event()
        self._may_write.set()
        self._heard_all = asyncio.Event()
        self._draining: asyncio.Task[None] | None = None

    def connection_made(self, chan: asyncssh.SSHTCPChannel[bytes]) -> None:
        """Keep the channel, and begin with what the program sends."""
        self._chan = chan
        self._visit.spawn(self._to_client())

    def data_received(self, data: bytes, datatype: asyncssh.DataType) -> None:
        """Pass to the program; where it does not read, let the client wait."""
        if self._writer.is_closing():
            return
        self._writer.write(data)
        if self._draining is None and self._writer.transport.get_write_buffer_size() > _HIGH:
            self._chan.pause_reading()
            self._draining = self._visit.spawn(self._drain())

    def eof_received(self) -> bool:
        """End one direction; the other goes on."""
        if not self._writer.is_closing() and self._writer.can_write_eof():
            self._writer.write_eof()
        self._heard_all.set()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """Close the connection to the program."""
        self._visit.channels -= 1
        self._may_write.set()
        self._heard_all.set()
        self._writer.close()

    def pause_writing(self) -> None:
        """Read no more of the program: the client's window is full."""
        self._may_write.clear()

    def resume_writing(self) -> None:
        """Go on."""
        self._may_write.set()

    async def _drain(self) -> None:
        try:
            await self._writer.drain()
        except OSError:
            pass
        self._draining = None
        self._chan.resume_reading()

    async def _to_client(self) -> None:
        try:
            while data := await self._reader.read(64 << 10):
                self._chan.write(data)
                await self._may_write.wait()
                await self._visit.link.room()
            self._chan.write_eof()
            await self._heard_all.wait()  # then it is for the server to close: ssh -W waits for that
        except (OSError, asyncssh.Error):
            pass
        finally:
            self._writer.close()
            self._chan.close()
