"""What runs in a sandbox beside a Jupyter kernel: carry bytes between the kernel's sockets and the launcher.

The kernel listens on Unix sockets in a private folder of the sandbox, which nobody outside can reach by name. For each
client the launcher hands in two pipes, over ``door``; this program connects to the kernel from inside, and carries what
comes through the one to it, and what it says back through the other. The launcher gets no socket from in here.
"""

import _socket
import json
import os
import shutil
import socket
import tempfile
import threading
import time

AGAIN = 0.05
"""Seconds between attempts to connect to a kernel that does not listen yet."""
PIECE = 1 << 16


def carry(path: str, source: int, sink: int) -> None:
    """Carry bytes between the kernel's socket and two pipes until one of them is at its end."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as channel:
        while channel.connect_ex(path):  # the kernel does not listen yet
            time.sleep(AGAIN)
        back = threading.Thread(target=carry_back, args=(channel, sink), daemon=True)
        back.start()
        try:
            while data := os.read(source, PIECE):
                channel.sendall(data)
        except OSError:  # the kernel has closed
            pass
        os.close(source)
        channel.shutdown(socket.SHUT_RDWR)
        back.join()


def carry_back(channel: socket.socket, sink: int) -> None:
    """Carry what the kernel says. At its end the launcher learns that, and closes the other pipe."""
    try:
        while data := channel.recv(PIECE):
            view = memoryview(data)
            while view:
                view = view[os.write(sink, view) :]
    except OSError:  # either is gone
        pass
    os.close(sink)


def serve(door: _socket.socket, answers: int) -> None:
    """Write the kernel's connection file, say where, then take the pipes for each client, with a channel's number."""
    kept = socket.socket(fileno=os.dup(door.fileno()))
    folder = tempfile.mkdtemp(prefix="kernel-")
    try:
        size = int.from_bytes(kept.recv(8, socket.MSG_WAITALL), "little")
        told = json.loads(kept.recv(size, socket.MSG_WAITALL))
        path = f"{folder}/connection.json"
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            json.dump({**told, "transport": "ipc", "ip": f"{folder}/channel"}, file)
        answer = os.fsencode(path)
        os.write(answers, len(answer).to_bytes(8, "little") + answer)
        while True:
            number, pipes, _, _ = socket.recv_fds(kept, 1, 2, socket.MSG_CMSG_CLOEXEC)
            if not number:
                return
            threading.Thread(target=carry, args=(f"{folder}/channel-{number[0]}", *pipes), daemon=True).start()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
