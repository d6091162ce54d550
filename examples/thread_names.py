#!/usr/bin/env python3
"""thread-names for machines without a C compiler: see thread-names.c, which it follows case by case."""

import ctypes
import os
import sys
import threading
import time

libc = ctypes.CDLL(None)


def name_a_thread(who: str) -> int:
    """Start a thread, name it from this one, print the outcome. Return 0 if it has its name now."""
    done = threading.Event()
    worker = threading.Thread(target=done.wait)
    worker.start()
    error = libc.pthread_setname_np(ctypes.c_ulong(worker.ident or 0), b"cuda-worker")
    name = ctypes.create_string_buffer(16)
    if not error:
        error = libc.pthread_getname_np(ctypes.c_ulong(worker.ident or 0), name, ctypes.c_size_t(16))
    done.set()
    worker.join()
    outcome = (
        f"denied  {who}: {os.strerror(error)}"
        if error
        else f"ok      {who}: its thread is called {name.value.decode()}"
    )
    print(outcome, flush=True)
    return int(name.value != b"cuda-worker")


def failed(pid: int) -> int:
    """Wait for a child; return whether it exited with anything but 0."""
    return int(os.waitpid(pid, 0)[1] != 0)


def child() -> int:
    """Name a thread in a child."""
    pid = os.fork()
    if pid == 0:
        os._exit(name_a_thread("a child"))
    return failed(pid)


def grandchild() -> int:
    """Name a thread in a child's child."""
    pid = os.fork()
    if pid == 0:
        inner = os.fork()
        if inner == 0:
            os._exit(name_a_thread("a grandchild"))
        os._exit(failed(inner))
    return failed(pid)


def executed() -> int:
    """Name a thread in a program that was executed."""
    pid = os.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, __file__, "a program it executed"])
    return failed(pid)


def reparented() -> int:
    """Name a thread in a daemon whose parent is gone. It answers through a pipe."""
    answer, say = os.pipe()
    pid = os.fork()
    if pid == 0:
        parent = os.getpid()
        if os.fork() > 0:
            os._exit(0)
        os.setsid()
        while os.getppid() == parent:
            time.sleep(0.001)
        os.write(say, bytes([name_a_thread("a daemon, re-parented")]))
        os._exit(0)
    os.close(say)
    return failed(pid) or int(os.read(answer, 1) != b"\0")


def main() -> int:
    """Try every kind of descendant; return 1 if any was denied, as cuInit() would fail."""
    if len(sys.argv) > 1:
        return name_a_thread(sys.argv[1])
    denied = name_a_thread("the program itself") + child() + grandchild() + executed() + reparented()
    print(
        "cuInit() would fail here: error 304, CUDA_ERROR_OPERATING_SYSTEM"
        if denied
        else "cuInit() could name its threads here"
    )
    return int(denied > 0)


if __name__ == "__main__":
    sys.exit(main())
