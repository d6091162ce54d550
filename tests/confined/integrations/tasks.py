"""Calls that tests have made in sandboxes: they are imported there by name."""

import os
import signal
import socket
import struct
import sys
import tempfile
import threading
import time

state = {"calls": 0}


def square(number):
    return number * number


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        return file.write(text)


def write_temporary():
    return write(f"{tempfile.gettempdir()}/left", "x")


def read_temporary():
    return read(f"{tempfile.gettempdir()}/left")


def connect(host, port):
    with socket.create_connection((host, port), timeout=5):
        return True


def count():
    state["calls"] += 1
    return state["calls"]


def begin(number):
    state["calls"] = number


def fail(text):
    raise LookupError(text)


def fail_oddly():
    class Odd(Exception):
        def __str__(self):
            raise RuntimeError("no text")

    raise Odd


def leave():
    os._exit(7)


def leave_politely():
    sys.exit(7)


def crash():
    os.kill(os.getpid(), signal.SIGSEGV)


def sleep(seconds):
    time.sleep(seconds)


def leave_a_child():
    """End, with a process of another session still there, which holds what it inherited."""
    if os.fork() == 0:
        os.setsid()
        time.sleep(60)
    os._exit(8)


def pids():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def an_object():
    return threading.Lock()


def endless():
    found: list[object] = []
    found.append(found)
    return found


def text(size):
    return "x" * size


def numbers(count):
    return [None] * count


def say(text):
    print(text, flush=True)
    os.write(1, text.encode())
    return "said"


def read_stdin():
    return sys.stdin.read()


def forge(data):
    """Write to the pipe to the owner, as no worker of ours would."""
    for name in map(int, os.listdir("/proc/self/fd")):
        try:
            if name > 2 and os.readlink(f"/proc/self/fd/{name}").startswith("pipe:"):
                os.write(name, data)
        except OSError:
            pass
    time.sleep(60)


def linger(seconds):
    """Pass the owner a socket that takes so long to close, over whatever there is; return what came of that."""
    listening = socket.create_server(("127.0.0.1", 0))
    slow = socket.create_connection(listening.getsockname())
    slow.setblocking(False)
    try:
        while True:
            slow.send(bytes(1 << 16))
    except BlockingIOError:
        pass
    slow.setblocking(True)
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, seconds))
    said = []
    for fd in map(int, os.listdir("/proc/self/fd")):
        try:
            found = socket.socket(fileno=os.dup(fd))
        except OSError:
            continue
        if found.family == socket.AF_UNIX:
            try:
                socket.send_fds(found, [b"\0"], [slow.fileno()])
                said.append("passed")
            except OSError as error:
                said.append(type(error).__name__)
    slow.close()
    return said


def passing(value):
    return value
