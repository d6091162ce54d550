"""``pyopenshell.v1.Files``: files into a sandbox and out of it.

The gateway passes frames on and writes nothing to its own disk: one end of each transfer is a file agent inside the
sandbox. A slow end slows the other; a chunk or two of each are held in between.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from pyopenshell.errors import OpenShellError, UsageError
from pyopenshell.gateway import limits
from pyopenshell.gateway.files import send
from pyopenshell.gateway.files.receive import Receiver
from pyopenshell.gateway.files.remote import RemoteFiles
from pyopenshell.gateway.proto import files_pb2, files_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pyopenshell.gateway.engine import Engine

TRANSFERS = 64
"""Transfers at once, over all sandboxes: each has a process inside, and up to 8 MiB of chunks here."""
WHERE = " in the sandbox"


class Files(files_pb2_grpc.FilesServicer):
    """The service. Its methods raise what ``gateway.status`` answers."""

    def __init__(self, engine: Engine) -> None:
        """Serve the sandboxes of this engine."""
        self._engine = engine
        self._running = 0

    async def Upload(self, requests: AsyncIterator[files_pb2.FileFrame], context: Any) -> files_pb2.TransferSummary:  # noqa: N802
        """Write what the client sends; return what was written."""
        first = await anext(requests, None)
        if first is None or first.WhichOneof("payload") != "start":
            raise UsageError("an upload begins with its start")
        start = first.start
        if len(start.destination) > limits.PATH:
            raise UsageError(f"the destination has more than {limits.PATH} bytes")
        async with (
            self._files(start.workspace, start.sandbox) as files,
            Receiver(files, start.destination, start.name, where=WHERE) as receiver,
        ):
            async for frame in requests:
                await receiver.take(frame)
            return await receiver.finish()

    async def Download(self, request: files_pb2.DownloadRequest, context: Any) -> AsyncIterator[files_pb2.FileFrame]:  # noqa: N802
        """Yield what a path stands for."""
        if not request.path or len(request.path) > limits.PATH:
            raise UsageError(f"a path has 1 to {limits.PATH} bytes", hint="`.` is the working directory")
        summary = files_pb2.TransferSummary()
        async with self._files(request.workspace, request.sandbox) as files:
            async for frame in send.frames(files, request.path, where=WHERE):
                count(summary, frame)
                yield frame
        yield files_pb2.FileFrame(summary=summary)

    @asynccontextmanager
    async def _files(self, workspace: str, name: str) -> AsyncIterator[RemoteFiles]:
        if self._running >= TRANSFERS:
            raise OpenShellError(
                f"{TRANSFERS} transfers are under way already", hint="try again later", code="limit.transfers"
            )
        self._running += 1
        try:
            supervised = await self._engine.supervised(workspace or "default", name)
            async with RemoteFiles(await supervised.files()) as files:
                yield files
        finally:
            self._running -= 1


def count(summary: files_pb2.TransferSummary, frame: files_pb2.FileFrame) -> None:
    """Add what a frame brings: an entry, data."""
    kind = frame.WhichOneof("payload")
    if kind == "data":
        summary.bytes += len(frame.data)
    elif kind == "entry":
        name = {files_pb2.FILE_KIND_FILE: "files", files_pb2.FILE_KIND_FOLDER: "folders"}.get(frame.entry.kind, "links")
        setattr(summary, name, getattr(summary, name) + 1)
