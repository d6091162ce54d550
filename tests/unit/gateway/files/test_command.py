"""``sandbox upload`` and ``download`` against a gateway's service, whose sandbox is an agent in a folder here."""

import asyncio
import os
import sys
import threading
from argparse import Namespace
from contextlib import contextmanager, suppress
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pyopenshell.cli import remote, sandbox_files
from pyopenshell.errors import NoSuchSandbox, OpenShellError, UsageError
from pyopenshell.gateway.channel import connect_aio
from pyopenshell.gateway.files import send
from pyopenshell.gateway.files.remote import CHUNK
from pyopenshell.gateway.proto import files_pb2, files_pb2_grpc
from pyopenshell.gateway.proto.files_pb2 import FileFrame
from pyopenshell.gateway.service import files as service
from tests.unit.gateway.files import agents
from tests.unit.gateway.tiny import by_socket, serving


class Engine:
    """One sandbox, ``demo``, whose working directory is a folder here."""

    def __init__(self, folder):
        self.folder, self.agents, self.asked = folder, [], []

    async def supervised(self, workspace, name):
        self.asked.append((workspace, name))
        if name != "demo":
            raise NoSuchSandbox(f"no sandbox is called {name!r}", hint="openshell sandbox list")
        return SimpleNamespace(files=self.files)

    async def files(self):
        pid, connection = agents.start(self.folder)
        self.agents.append(pid)
        return connection

    def gone(self):
        """Return once all agents have ended."""
        while self.agents:
            assert 0 == agents.wait(self.agents.pop())


@contextmanager
def gateway(folder):
    """Serve in another thread; gives the engine and how the gateway is spoken to."""
    engine, ready, loop = Engine(folder / "sandbox"), threading.Event(), asyncio.new_event_loop()
    (folder / "sandbox").mkdir()
    told: dict[str, Any] = {}

    async def run():
        stop = asyncio.Event()
        services = [(files_pb2_grpc.add_FilesServicer_to_server, service.Files(cast("Any", engine)))]
        async with serving(folder / "state", services=services) as (running, _, _):
            told.update(gateway=by_socket(running), stop=stop)
            ready.set()
            await stop.wait()

    (folder / "state").mkdir(mode=0o700)
    thread = threading.Thread(target=lambda: loop.run_until_complete(run()))
    thread.start()
    try:
        assert ready.wait(30)
        yield engine, told["gateway"]
    finally:
        loop.call_soon_threadsafe(told["stop"].set)
        thread.join()
        loop.close()
        engine.gone()


@pytest.fixture
def demo(tmp_path, monkeypatch):
    """The sandbox's folder, in which a gateway's agents work; the command runs in another one, ``here``."""
    with gateway(tmp_path) as (engine, spoken):
        monkeypatch.setattr(remote, "required", lambda _: remote.Remote(spoken))
        (tmp_path / "here").mkdir()
        monkeypatch.chdir(tmp_path / "here")
        yield SimpleNamespace(engine=engine, folder=tmp_path / "sandbox", here=tmp_path / "here", gateway=spoken)


def upload(local, destination=None, name="demo", no_git_ignore=False):
    return sandbox_files.upload(
        Namespace(name=name, local=str(local), destination=destination, no_git_ignore=no_git_ignore)
    )


def download(source, destination=None, name="demo"):
    return sandbox_files.download(Namespace(name=name, remote=source, destination=destination))


def test_there_and_back(demo, capsys):
    """A folder goes in under its name, and comes out; each says in one line what it did, and shows no progress."""
    (demo.here / "a/b").mkdir(parents=True)
    (demo.here / "a/b/c").write_bytes(bytes(3 * CHUNK))
    (demo.here / "a/link").symlink_to("b")
    assert 0 == upload("a")
    assert 0 == download("a", "back/")
    assert 3 * CHUNK == (demo.here / "back/a/b/c").stat().st_size
    assert "b" == os.readlink(demo.here / "back/a/link")
    assert [("default", "demo")] * 2 == demo.engine.asked
    out, err = capsys.readouterr()
    assert [
        f"uploaded 1 file, 2 folders, 1 link (768.0 KiB) to {demo.folder}/a",
        f"downloaded 1 file, 2 folders, 1 link (768.0 KiB) to {demo.here}/back/a",
    ] == out.splitlines()
    assert "" == err


def test_dot_means_what_is_in_it(demo):
    """As with cp: the entries of ``.`` go into the destination itself."""
    (demo.here / "x").touch()
    assert 0 == upload(".", "new")
    assert ["x"] == os.listdir(demo.folder / "new")
    (demo.here / "x").unlink()
    assert 0 == download("./new/..")
    assert ["new"] == os.listdir(demo.here)


def test_git_ignore_is_honoured_unless_not_wanted(demo):
    """What rules leave out, and ``.git``, stay here; with the flag all goes."""
    (demo.here / "p/.git").mkdir(parents=True)
    (demo.here / "p/.gitignore").write_text("*.log\n")
    (demo.here / "p/a.log").touch()
    (demo.here / "p/a.txt").touch()
    upload("p")
    assert [".gitignore", "a.txt"] == sorted(os.listdir(demo.folder / "p"))
    upload("p", "all", no_git_ignore=True)
    assert [".git", ".gitignore", "a.log", "a.txt"] == sorted(os.listdir(demo.folder / "all/p"))


def test_what_cannot_be_read_is_told(demo, capsys, monkeypatch):
    """The rest is copied, each thing that is missing is named on stderr, and the exit code is 1."""
    (demo.here / "p").mkdir()
    (demo.here / "p/a").touch()
    os.mkfifo(demo.here / "p/fifo")
    assert 0 == upload("p")
    assert "openshell: fifo: it is neither a file, a folder nor a link\n" == capsys.readouterr().err

    async def frames(*arguments, **options):
        async for frame in real(*arguments, **options):
            if frame.WhichOneof("payload") == "end":
                frame = FileFrame(end=files_pb2.FileEnd(problem="Input/output error"))  # noqa: PLW2901
            yield frame
        yield send.notice(b"\x1b[2Jb", "Permission denied")

    real = send.frames
    monkeypatch.setattr(send, "frames", frames)
    assert 1 == download("p", "out")
    out, err = capsys.readouterr()
    assert "openshell: a: Input/output error" in err
    assert "openshell: \\x1b[2Jb: Permission denied" in err
    assert "downloaded 1 folder (0 bytes)" in out
    assert "2 could not be read" in out
    assert [] == os.listdir(demo.here / "out")


@pytest.mark.parametrize(
    ("action", "kind", "message", "exit_code"),
    [
        (lambda: upload("missing"), OpenShellError, "cannot read missing: No such file", 1),
        (lambda: upload(""), UsageError, "the path of what is to be uploaded is empty", 2),
        (lambda: download("missing"), OpenShellError, "cannot read missing in the sandbox: No such file", 1),
        (lambda: download(""), UsageError, "the path of what is to be downloaded is empty", 2),
        (lambda: download("x/" * 2500), UsageError, "a path has 1 to 4096 bytes", 2),
        (lambda: upload("/proc/version", "x" * 5000), UsageError, "the destination has more than", 2),
        (lambda: upload("/proc/version", "version/x/"), OpenShellError, "in the sandbox: Not a directory", 1),
        (lambda: download(".", name="other"), NoSuchSandbox, "no sandbox is called 'other'", 3),
        (lambda: upload("/proc/version", name="other"), NoSuchSandbox, "no sandbox is called 'other'", 3),
    ],
)
def test_what_fails_is_said_in_one_message(demo, action, kind, message, exit_code):
    """Our errors, from either end, with their exit codes."""
    (demo.folder / "version").touch()
    with pytest.raises(kind, match=message) as caught:
        action()
    assert exit_code == caught.value.exit_code


def test_a_refusal_while_data_go_on_is_what_is_told(demo):
    """The sandbox's end stops in the midst of a large upload; its message arrives, not that of the broken stream."""
    (demo.here / "big").write_bytes(bytes(40 * CHUNK))
    (demo.folder / "in").mkdir()
    (demo.folder / "in/big").mkdir()
    with pytest.raises(OpenShellError, match="cannot write in/big in the sandbox: Is a directory"):
        upload("big", "in")
    assert [] == os.listdir(demo.folder / "in/big")


def test_progress_is_for_terminals(demo, monkeypatch):
    """On one, a line tells what goes on and is gone at the end; what steers a terminal is spelled out in it."""
    master, slave = os.openpty()
    (demo.here / "\x1bname").write_bytes(bytes(CHUNK))
    with open(slave, "w", encoding="utf-8") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        assert 0 == upload("\x1bname")
    shown = ""
    with suppress(OSError):  # EIO: nobody has the other side open any more
        while True:
            shown += os.read(master, 65536).decode()
    os.close(master)
    assert "\\x1bname" in shown
    assert "\x1bname" not in shown


def asking(demo, action):
    """Return what an action makes of the service's stub."""

    async def run():
        async with connect_aio(demo.gateway) as channel:
            return await action(files_pb2_grpc.FilesStub(channel))

    return asyncio.run(run())


def test_a_client_that_vanishes_leaves_no_half_file(demo):
    """Cancelled in the midst of a file: nothing of it is left, and the agent ends."""

    async def action(stub):
        call = stub.Upload()
        await call.write(FileFrame(start=files_pb2.UploadStart(sandbox="demo", name=b"a")))
        entry = files_pb2.FileEntry(kind=files_pb2.FILE_KIND_FILE, size=CHUNK)
        await call.write(FileFrame(entry=entry))
        await call.write(FileFrame(data=b"x"))
        while not os.listdir(demo.folder):
            await asyncio.sleep(0.005)
        call.cancel()

    asking(demo, action)
    demo.engine.gone()
    assert [] == os.listdir(demo.folder)


def test_a_reader_that_stops_stops_the_agent(demo, monkeypatch):
    """A download that nobody takes is not read into memory: the agent waits; then it ends with the call."""
    with open(demo.folder / "big", "wb") as file:
        file.truncate(1 << 30)
    passed = 0

    async def frames(*arguments, **options):
        nonlocal passed
        async for frame in real(*arguments, **options):
            passed += len(frame.data)
            yield frame

    real = send.frames
    monkeypatch.setattr(send, "frames", frames)

    async def action(stub):
        call = stub.Download(files_pb2.DownloadRequest(sandbox="demo", path=b"big"))
        await call.read()
        await call.read()
        before = 0
        while passed != before:  # the buffers in between fill up
            before = passed
            await asyncio.sleep(0.2)
        call.cancel()

    asking(demo, action)
    assert CHUNK <= passed < 64 << 20
    demo.engine.gone()


def test_transfers_have_an_upper_number(demo, monkeypatch):
    """One more than there may be is refused, and the place of one that ended is free again."""
    monkeypatch.setattr(service, "TRANSFERS", 1)
    (demo.folder / "a").touch()

    async def action(stub):
        call = stub.Upload()
        await call.write(FileFrame(start=files_pb2.UploadStart(sandbox="demo")))
        while not demo.engine.agents:
            await asyncio.sleep(0.005)
        with pytest.raises(Exception, match="1 transfers are under way already"):
            await stub.Download(files_pb2.DownloadRequest(sandbox="demo", path=b"a")).read()
        call.cancel()

    asking(demo, action)
    demo.engine.gone()  # and with it the call's place
    assert 0 == download("a")
