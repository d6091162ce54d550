"""Watch a program's system calls, of all its threads and children, by ptrace(2): for machines that have no strace.

Only what the kernel offers on every architecture is used: PTRACE_SEIZE, PTRACE_GET_SYSCALL_INFO (Linux 5.3), /proc.
"""

from __future__ import annotations

import ctypes
import os
import signal
import struct
import sys
from typing import TYPE_CHECKING

from pyopenshell.kernel import numbers, syscalls
from pyopenshell.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable

    Note = Callable[[int, str, tuple[int, ...]], tuple[str, ...]]

SYSCALL, SEIZE, INTERRUPT, LISTEN, GET_SYSCALL_INFO = 24, 0x4206, 0x4207, 0x4208, 0x420E
"""PTRACE_… of linux/ptrace.h."""
EVENT_STOP = 128
"""PTRACE_EVENT_STOP: a new thread or child, or a stop of the whole group."""
SYSCALL_STOP = signal.SIGTRAP | 0x80
FOLLOW = 0x1 | 0x2 | 0x4 | 0x8 | 0x10 | 0x100000
"""PTRACE_O_TRACESYSGOOD, FORK, VFORK, CLONE, EXEC, and EXITKILL: what is watched ends with who watches."""
WALL = 0x40000000
"""__WALL of waitpid(2): threads too."""
ENTRY, EXIT = 1, 2
INFO_BYTES = 88
STOPS = (signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)
PAGE = 4096
LONGEST = 4 * PAGE
"""Bytes of a string that are read at most: PATH_MAX, and more."""

NAMES = {number: name for name, number in (numbers.table(syscalls.ARCHITECTURE) or {}).items()}


class Call(Record):
    """One system call: its thread, name, six arguments, what the watcher ``noted`` at its begin, and its result.

    ``result`` is what the kernel returned: -errno for an error. It is None for a call that never returned.
    """

    tid: int
    name: str
    arguments: tuple[int, ...]
    noted: tuple[str, ...]
    result: int | None


def record(command: list[str], note: Note, done: Callable[[Call], None]) -> int:
    """Run a program and report each of its system calls when it ends; return the program's exit code.

    ``note`` looks at a call at its begin, while its thread stands still, and returns what shall be kept of it. This
    process must have no other children: they would be waited for, too. Raises OSError where tracing is refused
    (EPERM: in a sandbox, or under Yama's ptrace_scope 3).
    """
    pid, gate = _start(command)
    try:
        syscalls.call("ptrace", SEIZE, pid, 0, FOLLOW)
    except OSError:
        os.close(gate)
        os.waitpid(pid, 0)
        raise
    # What was seized runs on unseen until its first stop, so it waits for that, at the gate.
    syscalls.call("ptrace", INTERRUPT, pid, 0, 0)
    code = 255
    pending: dict[int, Call] = {}
    waits = True
    while True:
        try:
            tid, status = os.waitpid(-1, WALL)
        except ChildProcessError:
            return code
        if not os.WIFSTOPPED(status):
            if tid == pid:
                code = os.waitstatus_to_exitcode(status)
            if tid in pending:
                done(pending.pop(tid))
            continue
        signal_number, event = os.WSTOPSIG(status), status >> 16
        request, deliver = SYSCALL, 0
        if signal_number == SYSCALL_STOP:
            _syscall(tid, pending, note, done)
        elif event == EVENT_STOP:
            request = LISTEN if signal_number in STOPS else SYSCALL
        elif not event:
            deliver = signal_number
        _go_on(tid, request, deliver)
        if waits:
            waits = False
            os.write(gate, b"1")
            os.close(gate)


def _start(command: list[str]) -> tuple[int, int]:
    """Fork a child that waits at a gate and then executes the program; return its pid and the gate."""
    reader, gate = os.pipe()
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(gate)
            if os.read(reader, 1):
                os.execv(command[0], command)
        finally:
            os._exit(127)
    os.close(reader)
    return pid, gate


def _go_on(tid: int, request: int, deliver: int) -> None:
    try:
        syscalls.call("ptrace", request, tid, 0, deliver)
    except ProcessLookupError:  # killed while it stood still
        pass


def _syscall(tid: int, pending: dict[int, Call], note: Note, done: Callable[[Call], None]) -> None:
    info = (ctypes.c_char * INFO_BYTES)()
    try:
        syscalls.call("ptrace", GET_SYSCALL_INFO, tid, INFO_BYTES, info)
    except ProcessLookupError:
        return
    raw = bytes(info)
    if raw[0] == ENTRY:
        number, *arguments = struct.unpack_from("=7Q", raw, 24)
        name = NAMES.get(number, f"syscall_{number}")
        pending[tid] = Call(tid, name, tuple(arguments), note(tid, name, tuple(arguments)), None)
    elif raw[0] == EXIT and tid in pending:
        (result,) = struct.unpack_from("=q", raw, 24)
        done(pending.pop(tid).replace(result=result))


def string(tid: int, address: int) -> str:
    """Return the string at an address of a thread that stands still; what cannot be read is ``?``."""
    text = b""
    while len(text) < LONGEST:
        piece = peek(tid, address + len(text), PAGE - (address + len(text)) % PAGE)
        head, end, _ = piece.partition(b"\0")
        text += head
        if end:
            return os.fsdecode(text)
        if not piece:
            break
    return "?"


def peek(tid: int, address: int, size: int) -> bytes:
    """Return bytes of a thread's memory, none where it cannot be read."""
    try:
        fd = os.open(f"/proc/{tid}/mem", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.pread(fd, size, address)
    except (OSError, OverflowError):
        return b""
    finally:
        os.close(fd)


def descriptor(tid: int, fd: int) -> str:
    """Return what a file descriptor of a thread leads to, as /proc/<pid>/fd has it; ``?`` for none."""
    try:
        return os.readlink(f"/proc/{tid}/fd/{fd}")
    except OSError:
        return "?"
