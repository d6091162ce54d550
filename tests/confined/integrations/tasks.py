"""Calls that tests have made in sandboxes: they are imported there by name."""

import os
import signal
import socket
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
    """Write to the socket to the owner, as no worker of ours would."""
    for name in os.listdir("/proc/self/fd"):
        try:
            if os.readlink(f"/proc/self/fd/{name}").startswith("socket:"):
                os.write(int(name), data)
        except OSError:
            pass
    time.sleep(60)


def passing(value):
    return value
