"""The probe, its list and its answers, without a sandbox around it; and the frame that carries its connection."""

import _socket
import errno
import os
import select

import pytest

from pyopenshell.errors import OpenShellError
from pyopenshell.kernel.signals import SIGKILL, SIGPIPE
from pyopenshell.launch import namer, probe, probing, reap, wire

NOBODY = 65534


def pair():
    """Return two connected sockets."""
    return _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)


def talk(attempts, serve=probe.start):
    """Return a probe's answers, after reaping it."""
    ours, theirs = pair()
    try:
        serve(theirs.detach())
        return probing.talk(ours, attempts)
    finally:
        ours.close()
        if serve is probe.start:
            os.wait()


@pytest.fixture
def file(tmp_path):
    """A file of one's own."""
    path = tmp_path / "file"
    path.write_text("text")
    return path


def test_every_kind(file):
    """Each answers with an errno, and with 0 where it was done; the order is that of the list."""
    name, inode = os.fsencode(file), file.stat().st_ino
    answers = {
        ("call", None, "mkdirat", -100, name, 0o700): errno.EEXIST,
        ("call", None, "clone", 17, 0, 0, 0, 0): 0,
        ("open", None, name, os.O_RDONLY): 0,
        ("open", None, name + b"x", os.O_RDONLY): errno.ENOENT,
        ("open", (name + b"x", os.R_OK), name + b"x", os.O_RDONLY): errno.ENOENT,
        ("ioctl", None, b"/dev/null", os.O_RDWR, 0xFEFE): errno.ENOTTY,
        ("ioctl", None, name + b"x", os.O_RDWR, 0xFEFE): -errno.ENOENT,
        ("connect", None, 1, 1, b"\1\0" + name + b"\0"): errno.ECONNREFUSED,
        ("inode", None, name, inode): 0,
        ("inode", None, name, inode, file.stat().st_dev): 0,
        ("inode", None, name, inode + 1): errno.ESTALE,
        ("value", None, "prctl", (3,), 0): 0,
        ("value", None, "prctl", (3,), 1): errno.ESTALE,
        ("nothing", None): -errno.ENOENT,
        ("run", None, name, os.O_RDWR): 0,
        ("run", None, b"/proc/{own}/comm", os.O_RDWR): 0,
        ("run", None, b"/proc/{other}/comm", os.O_RDWR): 0,
        ("run", None, name + b"x", os.O_RDWR): errno.ENOENT,
    }
    assert list(answers.values()) == talk(list(answers))
    assert "text" == file.read_text()


def test_its_status():
    """Fields that are not so are told, and one that is not there."""
    uid = b" ".join([b"%d" % os.getuid()] * 4)
    tried = [("status", None, {b"Uid": uid}), ("status", None, {b"Uid": b"1 2 3 4"}), ("status", None, {b"No": b"1"})]
    assert [0, errno.ESTALE, errno.ESTALE] == talk(tried)


@pytest.mark.parametrize(
    "tried",
    [
        ("call", None, "prctl", 4, 1),
        ("call", None, "execve", b"/bin/true", 0, 0),
        ("call", None, "openat", -100, b"/", 0),
        ("call", None, "kill", 1, 9),
        ("call", None, "getuid"),
        ("value", None, "prctl", (4, 1), 0),
        ("value", None, "getuid", (), 0),
    ],
)
def test_other_calls_are_not_made(tried):
    """A probe is no way to have any system call made in a sandbox."""
    assert [probe.UNTRIED, 0] == talk([tried, ("value", None, "prctl", (3,), 0)])


def test_what_file_modes_deny_is_not_tried(file):
    """It is told with a minus. Who tries is no root: root may do everything."""
    file.chmod(0o400)
    name, uid = os.fsencode(file), os.geteuid()
    try:
        if uid == 0:
            os.seteuid(NOBODY)
        assert [-errno.EACCES] == talk([("open", (name, os.W_OK), name, os.O_WRONLY)])
    finally:
        os.seteuid(uid)


def test_an_end_before_the_last_answer():
    """Whatever ended it: there are fewer answers than attempts."""
    assert [0] == talk([("open", None, b"/", os.O_RDONLY), ("nonsense", None), ("open", None, b"/", os.O_RDONLY)])


def test_nobody_at_the_other_end():
    """An error, not an empty list that could pass for an answer."""
    with pytest.raises(OSError, match="pipe"):
        talk([("open", None, b"/", os.O_RDONLY)], os.close)


def test_a_list_that_is_too_long_is_not_read():
    """The probe ends."""
    ours, theirs = pair()
    probe.start(theirs.detach())
    ours.sendall((probe.MAX_LIST + 1).to_bytes(4, "little"))
    assert b"" == ours.recv(4)
    ours.close()
    os.wait()


def test_a_list_that_is_too_long_is_not_sent():
    """It is an error of its own."""
    with pytest.raises(OpenShellError, match="too much") as caught:
        talk([("open", None, bytes(probe.MAX_LIST), os.O_RDONLY)])
    assert "verify.too-long" == caught.value.code


def test_a_long_list():
    """Hundreds of grants make more than a mebibyte."""
    assert [errno.ENAMETOOLONG] * 3 == talk([("open", None, b"x" * (1 << 20), os.O_RDONLY)] * 3)


def test_a_probe_that_says_nothing(monkeypatch):
    """It was stopped, perhaps: it is not waited for."""
    monkeypatch.setattr(probing, "QUIET", 0.01)
    monkeypatch.setattr(probing, "GONE", 0.01)
    ours, theirs = pair()
    assert [] == probing.talk(ours, [("open", None, b"/", os.O_RDONLY)])
    ours.close()
    theirs.close()


def test_it_has_ended_before_the_talk_does():
    """An interruption too waits for that: what it made can be removed then, and it makes nothing any more."""

    def interrupted():
        raise KeyboardInterrupt

    ours, theirs = pair()
    ready, told = os.pipe()
    os.write(told, b"x")
    probe.start(theirs.detach())
    with pytest.raises(KeyboardInterrupt):
        probing.talk(ours, [("open", None, b"/", os.O_RDONLY)] * 1000, ready, interrupted)
    status = os.wait()[1]
    ours.close()
    os.close(ready)
    os.close(told)
    assert SIGPIPE == status


def test_no_connection():
    """A frame may have lost its descriptor: nothing is forked."""
    before = reap.children()  # this process may have a zygote
    probe.start(-1)
    assert before == reap.children()


def test_a_frame_with_a_descriptor(file):
    """It arrives with its kind, closed on exec; the one after it has none."""
    ours, theirs = pair()
    with file.open() as opened:
        wire.send_descriptor(ours, wire.PROBE, opened.fileno())
        wire.send_number(ours.fileno(), wire.SIGNAL, 15)
    kind, payload, fd = wire.receive_descriptor(theirs) or (b"", b"", -1)
    assert (wire.PROBE, b"", b"text", False) == (kind, payload, os.read(fd, 9), os.get_inheritable(fd))
    os.close(fd)
    kind, payload, fd = wire.receive_descriptor(theirs) or (b"", b"", -1)
    assert (wire.SIGNAL, 15, -1) == (kind, wire.number(payload), fd)
    ours.close()
    assert wire.receive_descriptor(theirs) is None
    theirs.close()


def test_the_waiting_program():
    """It does nothing until it is killed."""
    pid = os.fork()
    if pid == 0:
        try:
            namer.execute(namer.waiting())
        finally:
            os._exit(255)
    fd = os.pidfd_open(pid)
    assert [] == select.select([fd], [], [], 0.05)[0]
    os.kill(pid, SIGKILL)
    assert SIGKILL == os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) * -1
    os.close(fd)
