"""Who gets to a supervisor without being its gateway, and an init that is not what it was."""

import asyncio
import marshal
import os
import random
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from pyopenshell.errors import OpenShellError
from pyopenshell.kernel.syscalls import call
from pyopenshell.launch import frames, wire
from pyopenshell.supervisor import protocol
from pyopenshell.supervisor.session import Ended, Program
from tests.confined.gateway.test_supervisor import boxes as boxes
from tests.confined.gateway.test_supervisor import ran
from tests.confined.torture import household, scale

CONNECT = """
import os, socket, sys
own = socket.socket(socket.AF_UNIX)
try:
    own.connect(sys.argv[1] + "/supervisor.sock")
    own.sendall(bytes.fromhex(sys.argv[2]))
    print(own.recv(100))
except OSError as error:
    print(b"")
try:
    print(open(sys.argv[1] + "/supervisor.key", "rb").read())
except OSError as error:
    print(b"")
"""
ON = (b"on\n", 0, Ended(0, None, timed_out=False))


@pytest.fixture(scope="module")
def box(boxes):
    """A sandbox without a main process."""
    return boxes.run(boxes.launch("target"))


def connected(box):
    """A connection to a supervisor's socket."""
    own = socket.socket(socket.AF_UNIX)
    folder = os.open(box.record, os.O_PATH)
    own.connect(f"/proc/self/fd/{folder}/{protocol.SOCKET}")  # a path of any length
    os.close(folder)
    own.settimeout(household.SECONDS)
    return own


def key(box):
    """What lets a gateway in."""
    with open(f"{box.record}/{protocol.KEY}", "rb") as file:
        return file.read()


def frame(kind, payload=b""):
    """A frame as it travels."""
    return wire.head(kind, len(payload)) + payload


def closed(own):
    """Whether the other side says nothing and closes."""
    try:
        return own.recv(100) == b""
    except ConnectionResetError:
        return True


def test_strangers(boxes, box):
    """Without the key nothing is answered, however it is asked; what is sent is not kept; others are served."""
    drawn = random.Random(scale.SEED)
    before = household.memory(box.pid)
    first = [
        frame(protocol.LIST),
        frame(protocol.HELLO),
        frame(protocol.HELLO, bytes(protocol.KEY_SIZE)) + frame(protocol.STOP),
        frame(protocol.HELLO, key(box)[:-1]),
        frame(protocol.HELLO, key(box) + b"x"),
        wire.head(protocol.HELLO, 1 << 31),
        b"GET / HTTP/1.1\r\n\r\n",
        *(drawn.randbytes(drawn.randrange(39, 4000)) for _ in range(20)),
    ]
    for data in first:
        with connected(box) as own:
            own.sendall(data)
            assert closed(own), data[:100]
    waiting = [connected(box) for _ in range(64)]
    for own in waiting:  # who promises much, and sends as much as is taken
        own.setblocking(False)
        own.send(wire.head(protocol.HELLO, wire.MAX_PAYLOAD) + bytes(60_000))
    assert ON == boxes.run(ran(box, "echo", "on"))
    for own in waiting:
        own.close()
    assert household.memory(box.pid) - before < 4 * 1024


KNOWING = """
import os, socket, sys
from pyopenshell.kernel import process
record, said, confined = sys.argv[1], bytes.fromhex(sys.argv[2]), sys.argv[3] == "confined"
if confined:
    process.set_no_new_privs()
os.chdir(record)  # its path may be longer than a socket's can be
with socket.socket(socket.AF_UNIX) as own:
    own.settimeout(20)
    try:
        own.connect("supervisor.sock")
        own.sendall(said)
        print(len(own.recv(100)) > 0)
    except OSError:
        print(False)
"""


@pytest.mark.parametrize("who", ["free", "confined"])
def test_who_has_stolen_the_key(box, who):
    """It is of no use to a process that gets no new privileges, as a sandboxed one does not."""
    if "NoNewPrivs:\t1" in Path("/proc/self/status").read_text():
        pytest.skip("needs: a caller that may get new privileges")
    said = frame(protocol.HELLO, key(box)) + frame(protocol.LIST)
    told = subprocess.run(
        [sys.executable, "-c", KNOWING, box.record, said.hex(), who], capture_output=True, text=True, check=True
    )
    assert str(who == "free") == told.stdout.strip()


def test_gateway_that_speaks_otherwise(boxes, box):
    """With the key: what cannot be understood ends that connection, and neither sandbox nor supervisor."""
    hello = frame(protocol.HELLO, key(box))
    kinds = [getattr(protocol, name) for name in dir(protocol) if isinstance(getattr(protocol, name), bytes)]
    for kind in (*kinds, b"\0", b"\xff"):
        if kind in (protocol.STOP, protocol.REVISE):
            continue
        for payload in (b"\xff", marshal.dumps({"number": "x"}), marshal.dumps([1] * 9)):
            with connected(box) as own:
                own.sendall(hello + frame(kind, payload))
    for kind, payload in ((protocol.RESIZE, b"\xff\xff"), (protocol.SIGNAL, marshal.dumps("KILL"))):
        boxes.run(garbled(box, kind, payload))
    assert ON == boxes.run(ran(box, "echo", "on"))


async def garbled(box, kind, payload):
    """Say something of a program that makes no sense, and go."""
    session = await box.start(Program(("cat",)))
    await session._connection.send_raw(kind, payload)
    session.detach()


def test_sandboxed_process_with_the_key(boxes, box):
    """A program in a sandbox gets neither at the key nor, given that, at a supervisor: its own or another's."""
    other = boxes.run(boxes.launch("curious"))
    for target in (box, other):
        asked = (frame(protocol.HELLO, key(target)) + frame(protocol.LIST)).hex()
        output, _, end = boxes.run(ran(other, "python3", "-c", CONNECT, target.record, asked))
        assert (b"b''\nb''\n", 0) == (output, end.code)


def test_init_that_lies(boxes):
    """Whatever comes in init's place: its own sandbox ends or goes on, the others and what made them do not notice."""
    if os.geteuid() != 0:
        pytest.skip("needs: root")
    drawn = random.Random(scale.SEED)
    kinds = [bytes([number]) for number in b"AILMFRGXETSPDNBJjK\0\xff"]
    for number in range(scale.many(6, 200)):
        one = boxes.run(boxes.launch(f"liar{number}"))
        before = household.memory(one.pid)
        process = os.pidfd_open(household.children(one.pid)[0])
        with socket.socket(fileno=call("pidfd_getfd", process, 3, 0)) as control:
            control.setblocking(False)
            try:
                for _ in range(300):
                    kind = drawn.choice(kinds)
                    payload = drawn.choice(
                        [b"", drawn.randbytes(8), b"\1\0\0\0\xff\xff\xff\x7f", drawn.randbytes(drawn.randrange(5000))]
                    )
                    given = [drawn.choice([0, process, control.fileno()])] * drawn.choice([0, 0, 1, 3])
                    data = wire.head(kind, len(payload), drawn.choice([0, len(given), 200])) + payload
                    control.sendmsg([data], wire.rights(given))
            except OSError:  # it has ended, or takes no more
                pass
            os.close(process)
        assert household.memory(one.pid) - before < 24 * 1024 if os.path.exists(f"/proc/{one.pid}") else True
        end = boxes.run(one.stop())
        assert end is None or "defect" not in end, end
    box = boxes.run(boxes.launch("beside-liars"))
    assert ON == boxes.run(ran(box, "echo", "on"))


def test_descriptors_without_frames():
    """Somebody who sends descriptors and no frames for them is not listened to for long."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        reader = frames.Reader(theirs)
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(frames.MOST_DESCRIPTORS):
            if reader.ended:
                break
            ours.sendmsg([b"x"], wire.rights([0] * wire.MAX_DESCRIPTORS))
            reader.take()
        assert reader.ended
        reader.close()
        assert before == len(os.listdir("/proc/self/fd"))


def test_records_that_lie(boxes, tmp_path):
    """A record without a socket, with a file or with another's socket in its place, is that of nobody."""
    for make in (lambda path: None, lambda path: path.write_text("x"), lambda path: path.symlink_to("/dev/null")):
        folder = tmp_path / str(len(os.listdir(tmp_path)))
        folder.mkdir()
        (folder / protocol.KEY).write_bytes(b"k" * protocol.KEY_SIZE)
        make(folder / protocol.SOCKET)
        with pytest.raises(OpenShellError, match="does not answer"):
            boxes.run(boxes.supervisors.find(str(folder)))
    assert asyncio.iscoroutinefunction(boxes.supervisors.find)
