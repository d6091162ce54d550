"""A fork whose child is born in namespaces of its own: clone(2), with what Python does around a fork.

``os.fork`` and unshare(2) need one process more: a new pid namespace is entered by the next child only.
"""

from __future__ import annotations

import ctypes
import os

from pyopenshell.kernel import syscalls
from pyopenshell.kernel.signals import SIGCHLD

# PyDLL keeps the interpreter's lock through the call: the child must hold it, as it does after os.fork().
_syscall = ctypes.PyDLL(None, use_errno=True).syscall
_syscall.argtypes = (ctypes.c_long, *[ctypes.c_void_p] * 5)
_syscall.restype = ctypes.c_long


def fork(namespaces: int) -> int:
    """Fork into new namespaces (CLONE_NEW* of ``kernel.namespaces``). Returns 0 in the child, and its pid here.

    Only for a process with a single thread: the C library's own handlers of fork(2) do not run, so its locks must be
    free, and its idea of the thread's number stays that of the parent (abort(3) would miss; nothing else here asks).
    Raises OSError.
    """
    ctypes.pythonapi.PyOS_BeforeFork()
    pid: int = _syscall(syscalls.number("clone"), namespaces | SIGCHLD, 0, 0, 0, 0)
    if pid == 0:
        ctypes.pythonapi.PyOS_AfterFork_Child()
        return 0
    ctypes.pythonapi.PyOS_AfterFork_Parent()
    if pid < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), "clone")
    return pid
