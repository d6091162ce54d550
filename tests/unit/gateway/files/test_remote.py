"""The client of a file agent against a real agent: each operation, what is refused, and what is left behind."""

import asyncio
import errno
import os
import socket
import stat
from typing import Any

import pytest

from pyopenshell.errors import OpenShellError, SandboxGone
from pyopenshell.gateway.files import answers, connection
from pyopenshell.gateway.files.remote import CHUNK, RemoteFile, RemoteFiles
from pyopenshell.launch import files_wire as wire
from pyopenshell.launch.files_agent import Agent
from tests.unit.gateway.files.agents import connected, talk

TIMES = (1_000_000_000_123_456_789, -5_000_000_001)


def connection_to(files: RemoteFiles) -> Any:
    """The connection, to be misused."""
    return files.connection


def failure(error):
    """The errno of an exception that pytest caught."""
    return error.value.errno


def test_a_file_is_written_read_and_described(tmp_path):
    """Bytes go in and come back; stat(2) tells their number, their mode and their times, before 1970 too."""

    async def action(files):
        async with await files.open("a", os.O_RDWR | os.O_CREAT, 0o600) as file:
            await file.write(3, b"def")
            await file.write(0, b"abc")
            await file.change(mode=0o4751, times=TIMES)
            await file.sync()
            status = await file.status()
            return await file.read(1, 100), await file.read(6, 1), status

    read, end, status = talk(tmp_path, action)
    assert b"bcdef" == read
    assert b"" == end
    assert (0o751, 6, True, *TIMES) == (
        stat.S_IMODE(status.mode),
        status.size,
        status.is_file,
        status.accessed,
        status.changed,
    )
    assert b"abcdef" == (tmp_path / "a").read_bytes()


def test_requests_need_not_wait_for_one_another(tmp_path):
    """A hundred chunks are asked for at once, and come in order; no more are held than the connection has room for."""
    (tmp_path / "a").write_bytes(bytes(range(100)))

    async def action(files):
        async with await files.open("a") as file:
            return await asyncio.gather(*(file.read(number, 1) for number in range(100)))

    assert [bytes([number]) for number in range(100)] == talk(tmp_path, action)


def test_folders_links_and_names(tmp_path):
    """Folders are made, listed in order and removed; links are made, read and resolved; files are renamed."""

    async def action(files):
        await files.mkdir("f", 0o700)
        await files.symlink("../outside", "f/link")
        async with await files.open(b"f/\xff", os.O_WRONLY | os.O_CREAT), await files.open("f/a", os.O_CREAT):
            pass
        await files.link("f/a", "f/hard")
        names = [(name, status.is_link, status.links) async for name, status in files.entries("f")]
        target = await files.readlink("f/link")
        with pytest.raises(FileExistsError):
            await files.rename("f/a", "f/hard")
        await files.rename("f/a", "f/\udcff", replace=True)
        real = await files.realpath("f/../f/hard")
        for name in ("link", "hard", b"\xff"):
            await files.remove(os.fsencode("f/") + os.fsencode(name))
        await files.rmdir("f")
        return names, target, real

    names, target, real = talk(tmp_path, action)
    assert [(b"a", False, 2), (b"hard", False, 2), (b"link", True, 1), (b"\xff", False, 1)] == names
    assert b"../outside" == target
    assert os.fsencode(tmp_path / "f/hard") == real
    assert [] == os.listdir(tmp_path)


def test_a_long_folder_comes_in_pieces(tmp_path):
    """Every entry comes once, in the order of the names' bytes, though they do not fit into one answer."""
    for number in range(300):
        (tmp_path / f"{number:0200}").touch()

    async def action(files):
        return [name async for name, _ in files.entries(".")]

    assert sorted(map(os.fsencode, os.listdir(tmp_path))) == talk(tmp_path, action)


def test_paths_start_from_an_open_folder(tmp_path):
    """With ``base`` a path starts there, whatever the folder's name is by then."""
    (tmp_path / "f").mkdir()

    async def action(files):
        async with await files.open("f", os.O_DIRECTORY) as folder:
            await files.rename("f", "g")
            await files.mkdir("h", base=folder)
            await files.change("h", mode=0o711, base=folder)
            return (await files.status("h", base=folder)).mode, (await folder.status()).is_folder

    assert (stat.S_IFDIR | 0o711, True) == talk(tmp_path, action)
    assert (tmp_path / "g/h").is_dir()


@pytest.mark.parametrize(
    ("ask", "expected"),
    [
        (lambda files: files.status("missing"), errno.ENOENT),
        (lambda files: files.status(b"nul\0"), errno.EINVAL),
        (lambda files: files.status("a" * 5000), errno.ENAMETOOLONG),
        (lambda files: files.status("a" * wire.MAX_BODY), errno.ENAMETOOLONG),
        (lambda files: files.change("file", size=1 << 70), errno.EOVERFLOW),
        (lambda files: files.change("file", size=-1), errno.EINVAL),
        (lambda files: files.change("link", mode=0o700, follow=False), errno.EOPNOTSUPP),
        (lambda files: files.open("link", os.O_NOFOLLOW), errno.ELOOP),
        (lambda files: files.open("fifo", os.O_WRONLY), errno.ENXIO),
        (lambda files: files.mkdir("file"), errno.EEXIST),
        (lambda files: files.rmdir("file"), errno.ENOTDIR),
        (lambda files: files.remove("folder"), errno.EISDIR),
        (lambda files: files.create("folder/.."), errno.EISDIR),
        (lambda files: files.create("missing/a"), errno.ENOENT),
        (lambda files: files.readlink("file"), errno.EINVAL),
        (lambda files: files.connection.ask(wire.READ, 77, 0, 1), errno.EBADF),
        (lambda files: files.connection.ask(wire.CLOSE, wire.HERE), errno.EBADF),
        (lambda files: files.connection.ask(wire.OPEN, wire.HERE, 0, b".", 0, 0), errno.EBADF),
        (lambda files: files.connection.ask(wire.COMMIT, wire.HERE, 0, 0, 0), errno.EBADF),
    ],
)
def test_what_fails_is_told_as_the_kernel_says(tmp_path, ask, expected):
    """An errno is what comes back, and the agent serves on."""
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("file")
    os.mkfifo(tmp_path / "fifo")

    async def action(files):
        with pytest.raises(OSError) as caught:  # noqa: PT011 - its number is looked at
            await ask(files)
        return failure(caught), (await files.status(".")).is_folder

    assert (expected, True) == talk(tmp_path, action)


def test_no_more_handles_than_there_may_be(tmp_path):
    """A client that opens without end is told so."""

    async def action(files):
        for _ in range(wire.MAX_HANDLES - 1):
            await files.open(".", os.O_PATH)
        with pytest.raises(OSError, match="Too many open files") as caught:
            await files.open(".")
        return failure(caught)

    assert errno.EMFILE == talk(tmp_path, action)


def test_a_created_file_appears_whole(tmp_path):
    """Until it is committed nothing has its name; then it replaces what had, a link itself and not what that means."""
    (tmp_path / "old").write_text("old")
    (tmp_path / "name").symlink_to("old")

    async def action(files):
        async with await files.create("name") as file:
            await file.write(0, b"new")
            before = (tmp_path / "name").read_text()
            await file.commit(0o2640, TIMES)
        return before

    assert "old" == talk(tmp_path, action)
    assert ["name", "old"] == sorted(os.listdir(tmp_path))
    assert "old" == (tmp_path / "old").read_text()
    status = (tmp_path / "name").lstat()
    assert (stat.S_IFREG | 0o640, *TIMES) == (status.st_mode, status.st_atime_ns, status.st_mtime_ns)


@pytest.mark.parametrize("how", ["close", "leave", "vanish", "refused"])
def test_a_file_that_is_not_committed_leaves_nothing(tmp_path, how):
    """Whether it is closed, the connection ends, or a folder has its name: no part of it is left."""
    if how == "refused":
        (tmp_path / "name").mkdir()

    async def action(files):
        file = await files.create("name")
        await file.write(0, b"new")
        assert 1 == len([name for name in os.listdir(tmp_path) if name.startswith(".openshell-")])
        if how == "close":
            await file.close()
        elif how == "refused":
            with pytest.raises(IsADirectoryError):
                await file.commit(0o600, TIMES)
        elif how == "vanish":
            connection_to(files)._writer.transport.abort()

    talk(tmp_path, action)
    assert (["name"] if how == "refused" else []) == os.listdir(tmp_path)


def test_a_file_that_was_put_in_its_place_is_not_written(tmp_path, monkeypatch):
    """What has an incomplete file's name already, a link or a file of somebody inside, is passed over."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "theirs").write_text("theirs")
    (tmp_path / f".openshell-{os.getpid()}-1").hardlink_to(tmp_path / "theirs")
    (tmp_path / f".openshell-{os.getpid()}-2").symlink_to("theirs")
    agent = Agent()
    agent.create(1, wire.HERE, b"name")
    agent.write(1, 0, b"ours")
    agent.commit(1, 0o600, *TIMES)
    assert ("ours", "theirs") == ((tmp_path / "name").read_text(), (tmp_path / "theirs").read_text())


def test_a_request_that_is_too_large_ends_an_agent(tmp_path):
    """It is not waited for, and no memory is kept for it."""
    with connected(tmp_path) as ours:
        ours.settimeout(10)
        ours.sendall(wire.head(wire.MAX_BODY + 1, wire.WRITE))
        assert b"" == ours.recv(1)


def test_after_its_end_every_call_says_so(tmp_path):
    """What waits, and what is asked later, raises SandboxGone once the agent has ended."""
    with connected(tmp_path) as served:

        async def run():
            async with RemoteFiles(served) as files:
                await files.connection.send(wire.STATUS, wire.HERE, b".", 1)
                connection_to(files)._writer.write(wire.head(0, 999))  # no operation: the agent ends
                for _ in range(2):
                    with pytest.raises(SandboxGone):
                        await files.status(".")

        asyncio.run(run())


@pytest.mark.parametrize(
    "answer",
    [
        wire.head(wire.MAX_BODY + 1, 0),
        wire.head(1, 0) + b"x",
        wire.head(8, 0) + bytes(8),
        wire.head(56, 0) + wire.pack(wire.ENTRY, 1 << 20, 0, 0, 0, 0, 0, 1),
        wire.head(56, 0) + wire.pack(wire.ENTRY, 0o644, -1, 0, 0, 0, 0, 1),
        wire.head(57, 0) + wire.pack(wire.ENTRY, 0, 0, 0, 0, 0, 0, 1) + b"x",
        2 * (wire.head(56, 0) + wire.pack(wire.ENTRY, 0, 0, 0, 0, 0, 0, 1)),
        wire.head(4, errno.ENOENT) + b"more",
    ],
)
def test_an_agent_that_lies_is_left(answer):
    """Sizes out of bounds, bodies of another shape, answers to nothing: one message, and the connection is over."""
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)

    async def run():
        loop = asyncio.get_running_loop()
        async with RemoteFiles(ours) as files:
            asked = asyncio.create_task(asyncio.wait_for(files.status("."), 10))
            await loop.sock_recv(theirs, 4096)
            await loop.sock_sendall(theirs, answer)
            await asyncio.gather(asked, return_exceptions=True)
            with pytest.raises(OpenShellError, match="makes no sense"):
                await asyncio.wait_for(files.status("."), 10)

    with theirs:
        asyncio.run(run())


def test_an_agent_gives_no_more_bytes_than_were_asked_for():
    """What came beyond them would be taken for the next message by a client of SCP."""
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)

    async def run():
        loop = asyncio.get_running_loop()
        async with RemoteFiles(ours) as files:
            reading = asyncio.create_task(asyncio.wait_for(RemoteFile(files, 1, b"f").read(0, 2), 10))
            await loop.sock_recv(theirs, 4096)
            await loop.sock_sendall(theirs, wire.head(7, 0) + wire.pack("b", b"abc"))
            with pytest.raises(OpenShellError, match="makes no sense"):
                await reading

    with theirs:
        asyncio.run(run())


@pytest.mark.parametrize("name", [b"", b".", b"..", b"a/b", b"a\0b", b"a" * 256])
def test_names_that_no_folder_has_are_refused(name):
    """An agent cannot make its client take a path for a name."""
    with pytest.raises(ValueError):  # noqa: PT011
        answers.checked(wire.ENTRIES, wire.pack("b" + wire.ENTRY, name, *(0,) * 7))


def test_a_cancelled_open_holds_no_handle(tmp_path):
    """Whoever stops waiting for a file to be opened leaves nothing open."""

    async def action(files):
        for _ in range(wire.MAX_HANDLES + 10):
            task = asyncio.create_task(files.open("."))
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
        async with await files.open(".") as file:
            return (await file.status()).is_folder

    assert talk(tmp_path, action)


def test_chunks_have_an_upper_bound(tmp_path):
    """More than a chunk is not written at once, and not read."""
    (tmp_path / "a").write_bytes(bytes(CHUNK + 1))

    async def action(files):
        async with await files.open("a", os.O_RDWR) as file:
            with pytest.raises(OSError, match="Message too long"):
                await file.write(0, bytes(CHUNK + 1))
            return len(await file.read(0, CHUNK + 1))

    assert CHUNK == talk(tmp_path, action)


def test_an_agent_that_says_nothing_is_left(monkeypatch):
    """Somebody inside stopped it: who waits is told after a while, and not kept for ever."""
    monkeypatch.setattr(connection, "QUIET", 0.05)
    ours, theirs = socket.socketpair()

    async def run():
        async with RemoteFiles(ours) as files:
            with pytest.raises(SandboxGone, match="did not answer"):
                await asyncio.wait_for(files.status("."), 10)

    with theirs:
        asyncio.run(run())
