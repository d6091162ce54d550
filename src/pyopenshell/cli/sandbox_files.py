"""``openshell sandbox upload`` and ``download``: files into a sandbox and out of it, through its gateway."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from pyopenshell.cli import output, remote
from pyopenshell.cli.transfer_view import View
from pyopenshell.errors import OpenShellError, UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Coroutine

    from pyopenshell.cli.remote import Remote


def upload(arguments: argparse.Namespace) -> int:
    """Copy a file or folder into a sandbox; 1 where something is missing there."""
    with remote.required(arguments) as there:
        view = _sent(there, arguments.name, arguments.local, arguments.destination, not arguments.no_git_ignore)
    output.line(view.summary())
    return int(view.missing > 0)


def download(arguments: argparse.Namespace) -> int:
    """Copy a file or folder out of a sandbox; 1 where something is missing here."""
    with remote.required(arguments) as there, View("downloaded") as view:
        _run(there, _download(there, arguments.name, arguments.remote, arguments.destination or ".", view))
    output.line(view.summary())
    return int(view.missing > 0)


def send(there: Remote, name: str, local: str, destination: str | None = None, *, git_ignore: bool = True) -> int:
    """Copy a file or folder into a sandbox on the way to something else; return 1 where something is missing there."""
    view = _sent(there, name, local, destination, git_ignore)
    remote.note(view.summary())
    return int(view.missing > 0)


def _sent(there: Remote, name: str, local: str, destination: str | None, git_ignore: bool) -> View:
    with View("uploaded") as view:
        _run(there, _upload(there, name, local, destination or "", view, git_ignore=git_ignore))
    return view


def _run(there: Remote, transfer: Coroutine[Any, Any, None]) -> None:
    try:
        asyncio.run(transfer)
    except there.failure as error:
        raise there.error(error) from error


async def _upload(there: Remote, name: str, local: str, destination: str, view: View, *, git_ignore: bool) -> None:
    with _installed():
        from pyopenshell.gateway import channel
        from pyopenshell.gateway.files import send as sending
        from pyopenshell.gateway.files.ignore import Ignore
        from pyopenshell.gateway.proto import files_pb2, files_pb2_grpc
    path = _path(local, "what is to be uploaded")
    start = files_pb2.UploadStart(
        workspace=there.workspace, sandbox=name, destination=os.fsencode(destination), name=_name(path)
    )
    ignore = Ignore(local) if git_ignore and os.path.isdir(local) else None
    async with channel.connect_aio(there.gateway) as connection, _files() as files:
        call = files_pb2_grpc.FilesStub(connection).Upload()
        try:
            # A gateway that refuses ends the call: what it says is the call's outcome, not that of writing more.
            with suppress(there.failure, asyncio.InvalidStateError):
                await call.write(files_pb2.FileFrame(start=start))
                async for frame in sending.frames(files, path, ignore=ignore):
                    view.take(frame)
                    if frame.WhichOneof("payload") != "notice":
                        await call.write(frame)
                await call.done_writing()
            view.where = os.fsdecode((await call).path)
        finally:
            call.cancel()


async def _download(there: Remote, name: str, source: str, destination: str, view: View) -> None:
    with _installed():
        from pyopenshell.gateway import channel
        from pyopenshell.gateway.files.order import Disorder
        from pyopenshell.gateway.files.receive import Receiver
        from pyopenshell.gateway.proto import files_pb2, files_pb2_grpc
    path = _path(source, "what is to be downloaded")
    request = files_pb2.DownloadRequest(workspace=there.workspace, sandbox=name, path=path)
    is_whole = False
    async with (
        channel.connect_aio(there.gateway) as connection,
        _files() as files,
        Receiver(files, os.fsencode(destination), _name(path)) as receiver,
    ):
        call = files_pb2_grpc.FilesStub(connection).Download(request)
        try:
            async for frame in call:
                kind = frame.WhichOneof("payload")
                if kind == "summary":
                    is_whole = True
                    break
                view.take(frame)
                if kind != "notice":
                    await receiver.take(frame)
        finally:
            call.cancel()
        if not is_whole:
            raise Disorder("the gateway ended the transfer too early")
        view.where = os.fsdecode((await receiver.finish()).path)


class _installed:  # noqa: N801 - reads as a statement
    """Turn a missing optional package into an error that names it."""

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        """Raise it."""
        if isinstance(error, ModuleNotFoundError):
            raise remote.not_installed(error) from error


def _files() -> Any:
    from pyopenshell.gateway.files.local import LocalFiles

    try:
        return LocalFiles()
    except OSError as error:
        raise OpenShellError(f"the current folder cannot be used: {error.strerror}", code="files.here") from error


def _path(text: str, what: str) -> bytes:
    if not text or "\0" in text:
        raise UsageError(f"the path of {what} is empty" if not text else f"the path of {what} holds a NUL")
    return os.fsencode(text)


def _name(path: bytes) -> bytes:
    """Return the name that a path gets in a folder; none for ``.`` and its like, whose entries go there."""
    name = os.path.basename(path.rstrip(b"/"))
    return b"" if name in (b".", b"..") else name


VERBS = {"upload": upload, "download": download}
"""The verbs served here."""
