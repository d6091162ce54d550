"""What runs in a sandbox beside a Jupyter kernel: hand connections to the kernel's sockets out to the launcher.

The kernel listens on Unix sockets in a private folder of the sandbox, which nobody outside can reach by name. This
program connects to them from inside, and passes each connected socket over ``door``, its own socket to the launcher.
"""

import _socket
import json
import os
import shutil
import socket
import tempfile


def serve(door: _socket.socket) -> None:
    """Write the kernel's connection file, say where, then answer each number of a channel with a connection to it."""
    kept = socket.socket(fileno=os.dup(door.fileno()))
    folder = tempfile.mkdtemp(prefix="kernel-")
    try:
        size = int.from_bytes(kept.recv(8, socket.MSG_WAITALL), "little")
        told = json.loads(kept.recv(size, socket.MSG_WAITALL))
        path = f"{folder}/connection.json"
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            json.dump({**told, "transport": "ipc", "ip": f"{folder}/channel"}, file)
        answer = os.fsencode(path)
        kept.sendall(len(answer).to_bytes(8, "little") + answer)
        while number := kept.recv(1):
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as channel:
                try:
                    channel.connect(f"{folder}/channel-{number[0]}")
                except OSError:  # the kernel does not listen yet
                    kept.sendall(b"-")
                else:
                    socket.send_fds(kept, [b"+"], [channel.fileno()])
    finally:
        shutil.rmtree(folder, ignore_errors=True)
