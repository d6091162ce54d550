"""Real file agents for tests, whose working directory is a folder of theirs.

They are forked from a process of their own: that of the tests may have threads, which no fork survives.
"""

import asyncio
import atexit
import os
import socket
import subprocess
import sys
from contextlib import contextmanager

from pyopenshell.gateway.files.remote import RemoteFiles

NURSERY = """
import os, socket, sys
from pyopenshell.launch import files
tests = socket.socket(fileno=int(sys.argv[1]))
while True:
    asked, descriptors, _, _ = socket.recv_fds(tests, 8, 2)
    if not asked:
        break
    if descriptors:
        number = files.start(*descriptors)
    else:
        number = os.waitpid(int.from_bytes(asked, "little"), 0)[1]
    for fd in descriptors:
        os.close(fd)
    tests.sendall(number.to_bytes(8, "little"))
"""


class Nursery:
    """The process that forks agents; it ends with this one."""

    def __init__(self):
        self._connection = None

    def ask(self, asked, descriptors=()):
        """Ask for an agent, or for the end of one; return its pid, or its wait status."""
        if self._connection is None:
            self._connection, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                command = [sys.executable, "-c", NURSERY, str(theirs.fileno())]
                process = subprocess.Popen(command, pass_fds=[theirs.fileno()])
            atexit.register(process.wait)
            atexit.register(self._connection.close)
        socket.send_fds(self._connection, [asked], descriptors)
        return int.from_bytes(self._connection.recv(8), "little")


_NURSERY = Nursery()


def start(folder):
    """Start an agent that works in a folder; return its pid, and a socket that it serves."""
    ours, theirs = socket.socketpair()
    place = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    with theirs:
        try:
            return _NURSERY.ask(b"agent", [theirs.fileno(), place]), ours
        finally:
            os.close(place)


def wait(pid):
    """Return the wait status of an agent once it has ended."""
    return _NURSERY.ask(pid.to_bytes(8, "little"))


@contextmanager
def connected(folder):
    """A socket that an agent serves from this folder; it has ended afterwards."""
    pid, connection = start(folder)
    try:
        with connection:
            yield connection
    finally:
        assert 0 == wait(pid)


def talk(folder, action):
    """Return what an action makes of ``RemoteFiles`` in this folder."""
    with connected(folder) as connection:

        async def run():
            async with RemoteFiles(connection) as remote:
                return await action(remote)

        return asyncio.run(run())
