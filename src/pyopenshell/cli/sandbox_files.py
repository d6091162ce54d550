"""``openshell sandbox upload`` and ``download``: files into a sandbox and out of it, through its gateway."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pyopenshell.cli import output, remote
from pyopenshell.cli.transfer_view import View
from pyopenshell.errors import OpenShellError, UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from pyopenshell.cli.remote import Remote
    from pyopenshell.gateway.files.local import LocalFiles
    from pyopenshell.gateway.proto.files_pb2 import FileFrame


def upload(arguments: argparse.Namespace) -> int:
    """Copy a file or folder into a sandbox; 1 where something is missing there."""
    with remote.required(arguments) as there:
        git_ignore = not arguments.no_git_ignore
        view = _upload(there, arguments.name, arguments.local, arguments.destination, git_ignore=git_ignore)
    output.line(view.summary())
    return int(view.missing > 0)


def download(arguments: argparse.Namespace) -> int:
    """Copy a file or folder out of a sandbox; 1 where something is missing here."""
    with remote.required(arguments) as there:
        view = _download(there, arguments.name, arguments.remote, arguments.destination)
    output.line(view.summary())
    return int(view.missing > 0)


def send(there: Remote, name: str, local: str, destination: str | None = None, *, git_ignore: bool = True) -> int:
    """Copy a file or folder into a sandbox on the way to something else; return 1 where something is missing there."""
    view = _upload(there, name, local, destination, git_ignore=git_ignore)
    remote.note(view.summary())
    return int(view.missing > 0)


def _upload(there: Remote, name: str, local: str, destination: str | None, *, git_ignore: bool) -> View:
    with _installed():
        import grpc

        from pyopenshell.gateway import channel
        from pyopenshell.gateway.files.ignore import Ignore
        from pyopenshell.gateway.files.local import each
        from pyopenshell.gateway.files.send import frames
        from pyopenshell.gateway.proto import files_pb2, files_pb2_grpc
    path = _path(local, "what is to be uploaded")
    # OpenShell's clients count on it: a folder goes into its destination, also into one that is not there yet.
    into = os.fsencode(f"{destination}/" if destination and os.path.isdir(local) else destination or "")
    start = files_pb2.UploadStart(workspace=there.workspace, sandbox=name, destination=into, name=_name(path))
    ignore = Ignore(local) if git_ignore and os.path.isdir(local) else None
    problems: list[BaseException] = []
    started = threading.Event()
    with _files() as files, channel.connect(there.gateway) as connection, View("uploaded", local) as view:

        def requests() -> Iterator[FileFrame]:  # gRPC takes from it in a thread of its own
            yield files_pb2.FileFrame(start=start)
            try:
                for frame in each(frames(files, path, ignore=ignore)):
                    view.take(frame)
                    if frame.WhichOneof("payload") != "notice":
                        yield frame
            except Exception as error:  # the end of the requests would pass for that of the transfer
                problems.append(error)
                started.wait()
                call.cancel()

        call = files_pb2_grpc.FilesStub(connection).Upload.future(requests())
        started.set()
        try:
            view.where = os.fsdecode(call.result().path)
        except (there.failure, grpc.FutureCancelledError) as error:
            raise problems[0] if problems else there.error(error) from error
        finally:
            call.cancel()
    return view


def _download(there: Remote, name: str, source: str, destination: str | None) -> View:
    with _installed():
        from pyopenshell.gateway import channel
        from pyopenshell.gateway.files.local import now
        from pyopenshell.gateway.files.order import Disorder
        from pyopenshell.gateway.files.receive import Receiver
        from pyopenshell.gateway.proto import files_pb2, files_pb2_grpc
    path = _path(source, "what is to be downloaded")
    request = files_pb2.DownloadRequest(workspace=there.workspace, sandbox=name, path=path)
    with _files() as files, channel.connect(there.gateway) as connection, View("downloaded", source) as view:
        receiver = Receiver(files, os.fsencode(destination or "."), _name(path))
        call = files_pb2_grpc.FilesStub(connection).Download(request)
        try:
            for frame in call:
                kind = frame.WhichOneof("payload")
                if kind == "summary":
                    view.where = os.fsdecode(now(receiver.finish()).path)
                    return view
                view.take(frame)
                if kind != "notice":
                    now(receiver.take(frame))
        except there.failure as error:
            raise there.error(error) from error
        finally:
            call.cancel()
    raise Disorder("the gateway ended the transfer too early")


@contextmanager
def _installed() -> Iterator[None]:
    """Turn a missing optional package into an error that names it."""
    try:
        yield
    except ModuleNotFoundError as missing:
        raise remote.not_installed(missing) from missing


@contextmanager
def _files() -> Iterator[LocalFiles]:
    """Give the files here; those that are not complete in the end are removed."""
    from pyopenshell.gateway.files.local import LocalFiles, now

    try:
        files = LocalFiles()
    except OSError as error:
        raise OpenShellError(f"the current folder cannot be used: {error.strerror}", code="files.here") from error
    try:
        yield files
    finally:
        now(files.__aexit__())


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
