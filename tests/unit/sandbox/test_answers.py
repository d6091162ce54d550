"""A zygote that is slow, or silent, or says half of something: nothing hangs, and nothing is lost."""

import asyncio
import os
import time

import pytest

from pyopenshell import AsyncSandbox, CommandTimeout, Sandbox, SandboxGone, ZygoteError
from pyopenshell.sandbox import aio, aio_waiting, waiting
from pyopenshell.sandbox import box as boxes
from pyopenshell.sandbox import link as links

BYTE_BY_BYTE = """\
class Slow:
    def __init__(self, connection):
        self.connection = connection

    def sendmsg(self, data, ancillary, flags):
        for number, byte in enumerate(data[0]):
            self.connection.sendmsg([bytes([byte])], ancillary if not number else (), flags)
            select.select([], [], [], 0.0005)
        return len(data[0])

for connection in connections():
    protocol.send(Slow(connection), protocol.READY, READY)
    for kind, payload, descriptors in frames(connection):
        if kind == protocol.COMMAND:
            command = _socket.socket(fileno=descriptors[0])
            protocol.send(Slow(command), protocol.BEGUN, {"pid": 7})
            os.write(descriptors[2], marshal.loads(payload)["argv"][1].encode())
            protocol.send(Slow(command), protocol.EXITED, {"status": 3 << 8})
            command.close()
            for fd in descriptors[1:]:
                os.close(fd)
        elif kind == protocol.CLOSE:
            ended = {"lost": None, "troubles": ["the disk is full"], "survivors": [12]}
            protocol.send(Slow(connection), protocol.ENDED, ended)
            break
    connection.close()
"""
SILENT = """\
kept = []
for connection in connections():
    kept.append(connection)
    protocol.send(connection, protocol.READY, READY)
    for frame in frames(connection):
        kept.append(frame)
"""
LOST = """\
for connection in connections():
    protocol.send(connection, protocol.READY, READY)
    for kind, payload, descriptors in frames(connection):
        for fd in descriptors:
            os.close(fd)
        if kind == protocol.CREATE:
            protocol.send(connection, protocol.ENDED, {"lost": "it was too large", "troubles": [], "survivors": []})
            connection.shutdown(_socket.SHUT_RDWR)
    connection.close()
"""
LARGE = """\
for connection in connections():
    select.select([], [], [], 0.2)
    for kind, payload, descriptors in frames(connection):
        if kind == protocol.CREATE:
            size = len(marshal.loads(payload)["policy"][1])
            protocol.send(connection, protocol.READY, {**READY, "name": str(size)})
        else:
            break
    connection.close()
"""


SLOW_TO_END = """\
for connection in connections():
    for frame in frames(connection):
        pass
    select.select([], [], [], 0.2)
    open(READY["record"] + "/ended", "w").close()
    connection.close()
"""


SLOW_TO_KILL = """\
for connection in connections():
    protocol.send(connection, protocol.READY, READY)
    for kind, payload, descriptors in frames(connection):
        if kind == protocol.COMMAND:
            command = _socket.socket(fileno=descriptors[0])
            for frame in frames(command):
                pass
            select.select([], [], [], 0.2)
            open(READY["record"] + "/killed", "a").write("x")
            protocol.send(command, protocol.EXITED, {"status": 9})
            command.close()
            for fd in descriptors[1:]:
                os.close(fd)
        elif kind == protocol.CLOSE:
            break
    connection.close()
"""


@pytest.fixture
def impatient(monkeypatch):
    """Wait for less long than for a real one."""
    for module in (boxes, aio, links):
        monkeypatch.setattr(module, "PATIENCE", 0.2)
    for module in (waiting, aio_waiting):
        monkeypatch.setattr(module, "PATIENCE", 0.2)
    monkeypatch.setattr(links, "REASON", 0.2)
    monkeypatch.setattr(aio_waiting, "REASON", 0.2)


def test_frames_may_come_in_pieces(zygote):
    """Byte by byte; what could not be ended, or written down, is a warning."""
    zygote(BYTE_BY_BYTE)
    with pytest.warns(RuntimeWarning) as warned, Sandbox() as box:
        result = box.run(["echo", "word"])
    assert (3, "word", "fake") == (result.exit, result.stdout, box.name)
    assert ["fake: the disk is full", "fake: these processes could not be ended: 12"] == [
        str(one.message).removeprefix("sandbox ") for one in warned
    ]


def test_frames_may_come_in_pieces_to_tasks(zygote):
    """The same for asyncio."""
    zygote(BYTE_BY_BYTE)

    async def main():
        async with AsyncSandbox() as box:
            return await asyncio.gather(box.run(["echo", "one"]), box.run(["echo", "two"]))

    with pytest.warns(RuntimeWarning):
        results = asyncio.run(main(), debug=True)
    assert ["one", "two"] == [result.stdout for result in results]


@pytest.mark.usefixtures("impatient")
def test_silence_ends_with_an_error(zygote):
    """A command that is not told to have ended, and a sandbox that is not; each after some time."""
    zygote(SILENT)
    box = Sandbox().start()
    with pytest.raises(CommandTimeout) as late:
        box.run(["true"], timeout=0)
    assert "held by the kernel" in str(late.value.hint)
    with pytest.raises(ZygoteError, match="did not end"):
        box.close()
    assert not box.is_open


@pytest.mark.usefixtures("impatient")
def test_silence_ends_with_an_error_for_tasks(zygote):
    """The same for asyncio; a task that is cancelled does not wait for ever either."""
    zygote(SILENT)

    async def main():
        box = await AsyncSandbox().start()
        with pytest.raises(CommandTimeout):
            await box.run(["true"], timeout=0)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(box.run(["true"]), 0.05)
        with pytest.raises(ZygoteError, match="did not end"):
            await box.close()

    asyncio.run(main(), debug=True)


def test_a_start_that_is_interrupted_is_waited_for(zygote, tmp_path, monkeypatch):
    """Until nothing is left of what had been begun."""
    zygote(SLOW_TO_END)
    wait = links.Link.wait

    def interrupted(link, timeout=None, *, to_end=True):
        if not to_end:
            raise KeyboardInterrupt
        wait(link, timeout, to_end=to_end)

    monkeypatch.setattr(links.Link, "wait", interrupted)
    box = Sandbox()
    with pytest.raises(KeyboardInterrupt):
        box.start()
    assert (tmp_path / "ended").exists()
    assert not box.is_open


def test_a_start_that_is_cancelled_is_waited_for(zygote, tmp_path):
    """The same for asyncio."""
    zygote(SLOW_TO_END)

    async def main():
        task = asyncio.create_task(AsyncSandbox().start())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main(), debug=True)
    assert (tmp_path / "ended").exists()


def test_commands_are_waited_for_until_they_are_gone(zygote, tmp_path):
    """After a timeout, an error and a stream that is closed."""
    zygote(SLOW_TO_KILL)
    killed = tmp_path / "killed"
    with Sandbox() as box:
        with pytest.raises(CommandTimeout):
            box.run(["sleep"], timeout=0)
        assert "x" == killed.read_text()
        box.stream(["sleep"]).close()
        assert "xx" == killed.read_text()


def test_commands_of_tasks_are_waited_for_until_they_are_gone(zygote, tmp_path):
    """The same for asyncio, after a cancellation."""
    zygote(SLOW_TO_KILL)
    killed = tmp_path / "killed"

    async def main():
        async with AsyncSandbox() as box:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(box.run(["sleep"]), 0.05)
            assert "x" == killed.read_text()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(box.stream(["sleep"])), 0.05)
            assert "xx" == killed.read_text()

    asyncio.run(main(), debug=True)


def test_the_reason_of_an_end_is_told(zygote):
    """To whoever waits, and whoever comes later."""
    zygote(LOST)
    box = Sandbox().start()
    began = time.monotonic()
    for _ in range(2):
        with pytest.raises(SandboxGone, match="sandbox fake has ended: it was too large"):
            box.run(["true"])
    assert time.monotonic() - began < waiting.PATIENCE  # nobody is waited for who was never asked
    assert ("it was too large", False) == (box.lost, box.is_open)
    box.close()


def test_a_request_may_be_larger_than_a_socket_holds(zygote):
    """It is sent piece by piece, while the zygote reads; a loop is not held up by that."""
    zygote(LARGE)
    policy = "version: 1\n#" + "x" * 900_000 + "\n"
    from pyopenshell import Policy

    given = Policy.parse(policy)
    with Sandbox(given) as box:
        assert str(len(policy)) == box.name

    async def main():
        async with AsyncSandbox(given) as box:
            return box.name

    assert str(len(policy)) == asyncio.run(main(), debug=True)


def test_a_fork_has_no_part_in_it(zygote):
    """The child's copies are closed: whoever waits for the parent's end is not kept waiting by it."""
    zygote(SILENT)
    box = Sandbox().start()
    link = box._link
    assert link
    process_socket = link.socket.fileno()
    pid = os.fork()
    if pid == 0:
        gone = closed = False
        try:
            os.fstat(process_socket)
        except OSError:
            closed = True
        try:
            box.run(["true"])
        except SandboxGone as error:
            gone = "is a fork of it" in str(error)
        box.close()
        os._exit(0 if closed and gone and not box.is_open else 1)
    assert 0 == os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert box.is_open
    link.close()
