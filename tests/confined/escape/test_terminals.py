"""Terminals: nothing is typed into the caller's, and no other one is there."""

import json
import os
import pty

import pytest

from tests.confined.escape import outside
from tests.confined.launch import world

CODE = """
import errno, fcntl, json, os, sys, termios
answer = {}
def attempt(operation, *arguments):
    try:
        operation(*arguments)
    except OSError as error:
        return errno.errorcode[error.errno]
    return "ok"
TIOCLINUX = 0x541C
for name, number in (("TIOCSTI", termios.TIOCSTI), ("TIOCLINUX", TIOCLINUX)):
    for fd in (0, os.open("/dev/tty", os.O_RDWR)):
        answer[f"{name} {'stdin' if fd == 0 else 'tty'}"] = attempt(fcntl.ioctl, fd, number, b"x")
answer["modes"] = attempt(fcntl.ioctl, 0, termios.TCGETS, b"0" * 64)
answer["terminals"] = sorted(os.listdir("/dev/pts")) if attempt(os.listdir, "/dev/pts") == "ok" else "closed"
answer["caller's"] = os.path.exists(sys.argv[1]) and os.stat(sys.argv[1]).st_rdev == int(sys.argv[2])
answer["open"] = attempt(os.open, sys.argv[1], os.O_RDWR | os.O_NOCTTY)
print(json.dumps(answer))
"""


@pytest.fixture
def terminal():
    """The slave side of a terminal, where other terminals of the same user are open too."""
    pairs = [pty.openpty() for _ in range(3)]
    for _, slave in pairs:
        os.fchown(slave, world.IDENTITY, -1)
        os.fchmod(slave, 0o666)
    yield pairs[-1][1]
    for pair in pairs:
        for fd in pair:
            os.close(fd)


@pytest.mark.kernels
def test_no_typing_and_no_other_terminals(everywhere, terminal):
    """TIOCSTI and TIOCLINUX fail on every terminal inside, and the host's terminals cannot be opened."""
    world.needs_python()
    name = os.ttyname(terminal)
    words = (world.PYTHON, "-I", "-S", "-c", CODE, name, os.fstat(terminal).st_rdev)
    done = everywhere.run("-q", "--", *words, stdin=terminal)
    assert 0 == done.returncode, done.stderr
    answer = json.loads(done.stdout)
    injections = {key: value for key, value in answer.items() if key.startswith("TIOC")}
    assert dict.fromkeys(("TIOCSTI stdin", "TIOCSTI tty", "TIOCLINUX stdin", "TIOCLINUX tty"), "EPERM") == injections
    assert "ok" == answer["modes"]
    if outside.has(everywhere, "mount"):
        assert (["0", "ptmx"], "ENOENT") == (answer["terminals"], answer["open"])
    else:
        assert ("closed", "EACCES") == (answer["terminals"], answer["open"])
