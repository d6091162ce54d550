"""Whole transfers between folders of the tests, one end being a real agent; and what there is in a folder."""

import asyncio
import os
import stat

from pyopenshell.gateway.files import send
from pyopenshell.gateway.files.local import LocalFiles
from pyopenshell.gateway.files.receive import Receiver
from pyopenshell.gateway.files.remote import RemoteFiles
from tests.unit.gateway.files.agents import connected


def transfer(source, folder, destination="", name="", ignore=None, *, up=True, seen=lambda frame: None):
    """Send a path to a folder, which is an agent's (``up``), or whose sender is one; return summary and notices."""
    with connected(folder if up else os.path.dirname(source) or "/") as connection:

        async def run():
            async with LocalFiles() as here, RemoteFiles(connection) as there:
                sender, taker = (here, there) if up else (there, here)
                into = os.fsencode(destination) if up else os.path.join(os.fsencode(folder), os.fsencode(destination))
                async with Receiver(taker, into, os.fsencode(name)) as receiver:
                    notices = []
                    async for frame in send.frames(sender, os.fsencode(source), ignore=ignore):
                        seen(frame)
                        if frame.WhichOneof("payload") == "notice":
                            notices.append((frame.notice.path, frame.notice.missing))
                        else:
                            await receiver.take(frame)
                    return await receiver.finish(), notices

        return asyncio.run(run())


def receive(folder, frames, destination=b"", name=b""):
    """Have an agent's folder take these frames; return the summary."""
    with connected(folder) as connection:

        async def run():
            async with RemoteFiles(connection) as files, Receiver(files, destination, name) as receiver:
                for frame in frames:
                    await receiver.take(frame)
                return await receiver.finish()

        return asyncio.run(run())


def tree(folder):
    """What is in a folder: of each path its kind and mode, its time, and what it holds."""
    found = {}
    for place, folders, files in os.walk(os.fsencode(folder)):
        for name in folders + files:
            path = os.path.join(place, name)
            status = os.lstat(path)
            if stat.S_ISLNK(status.st_mode):
                held = os.readlink(path)
            elif stat.S_ISREG(status.st_mode):
                with open(path, "rb") as file:
                    held = file.read()
            else:
                held = None
            found[os.path.relpath(path, os.fsencode(folder))] = (status.st_mode, status.st_mtime_ns, held)
    return found
