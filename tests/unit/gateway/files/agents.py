"""A real file agent, forked from the tests, whose working directory is a folder of theirs."""

import asyncio
import os
import socket
import warnings
from contextlib import contextmanager

from pyopenshell.gateway.files.remote import RemoteFiles
from pyopenshell.launch import files


@contextmanager
def connected(folder):
    """A socket that an agent serves from this folder; it has ended afterwards."""
    ours, theirs = socket.socketpair()
    place = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # threads of the test runner: the child starts none
        pid = files.start(theirs.fileno(), place)
    theirs.close()
    os.close(place)
    try:
        yield ours
    finally:
        ours.close()
        os.waitpid(pid, 0)


def talk(folder, action):
    """Return what an action makes of ``RemoteFiles`` in this folder."""
    with connected(folder) as connection:

        async def run():
            async with RemoteFiles(connection) as remote:
                return await action(remote)

        return asyncio.run(run())
