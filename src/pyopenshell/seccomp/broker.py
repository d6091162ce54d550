"""The broker: answers the opens that the filter traps, and opens nothing but ``comm`` files of the caller itself.

One call at a time: read the path and the caller's numbers, ask ``verdict``, open by number, hand the descriptor over.
The cookie of a notification is good only as long as its caller waits in that very call, and the kernel checks it when
the descriptor is handed over: whatever was read about a caller that is gone by then is thrown away with it.
"""

from __future__ import annotations

import errno
import os
import select
import time

from pyopenshell.kernel import notification
from pyopenshell.kernel.memory import Reader
from pyopenshell.kernel.syscalls import AT_FDCWD, number
from pyopenshell.seccomp import verdict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pyopenshell.kernel.notification import Notification

    Tell = Callable[[str, int, int, bytes], None]
    """Told what is worth an event: ``granted`` or a reason, the process here and in the sandbox, the path asked for."""

GRANTED = "granted"
PASSED = "passed"
"""Counted for opens that have nothing to do with thread names."""
OPEN = number("open")
"""The one trapped call besides openat(2), where the architecture has it."""
MAX_PATH = 256
"""Bytes of a path, its NUL included, that are looked at. The longest that makes sense has 41."""
MAX_PROCESSES = 512
"""How many living processes are remembered as having been told about."""
MAX_REFUSALS, WINDOW = 16, 60
"""How many refusals of each reason are told in so many seconds; the rest is only counted."""
STATUS_SIZE = 4096
OWN_FLAGS = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NOCTTY
KEPT_FLAGS = verdict.ACCESS_MODE | verdict.APPEND | verdict.NONBLOCK
INT_SIGN, INT_SIZE = 1 << 31, 1 << 32


class Broker:
    """Serves one listener.

    ``here`` is a descriptor of a procfs that numbers processes as the listener does, ``there`` of the sandbox's own;
    ``depth`` is how many pid namespaces lie between them (0 or 1). ``counts`` holds how often each answer was given.
    """

    def __init__(self, listener: int, here: int, there: int, depth: int, tell: Tell) -> None:
        """Take over the listener."""
        self.listener = listener
        self.counts = dict.fromkeys((GRANTED, PASSED, *verdict.REASONS), 0)
        self.in_step = notification.wake_in_step(listener)
        self._here, self._there, self._depth = here, there, depth
        self._tell = tell
        self._reader = Reader(MAX_PATH)
        self._known: dict[int, int] = {}
        self._refused: dict[str, tuple[float, int]] = {}
        self._asked, self._inside = b"", 0

    def serve(self) -> None:
        """Take one call that waits and answer it. Nothing that a caller does makes this fail."""
        call = notification.receive(self.listener)
        if call is None:
            return
        self._asked, self._inside = b"", 0
        try:
            reason = self._answer(call)
        except OSError as error:
            reason = _reason(error)
        if reason not in (GRANTED, verdict.GONE) and not self._decline(call.id, reason):
            reason = verdict.GONE  # what could not be read or found was that of a caller that has ended
        self.counts[reason] += 1
        if reason not in (GRANTED, PASSED, verdict.GONE) and self._is_news(reason):
            self._tell(reason, call.pid, self._inside, self._asked)

    def _answer(self, call: Notification) -> str:
        """Answer one call where something is given; return what becomes of it. Raises OSError."""
        folder, address, flags = _arguments(call)
        path = self._path(call.pid, address)
        if path is None or not verdict.concerns(path):
            return PASSED if path is not None else verdict.UNREADABLE
        self._asked = path
        if not path.startswith(b"/"):
            base = self._base(call.pid, folder)
            if base is None:
                return PASSED
            path = self._asked = verdict.absolute(path, base)
        process, tgid, tid = self._numbers(call.pid)
        self._inside = tgid
        thread, reason = verdict.thread(path, flags, tgid, tid)
        if not thread:
            return reason or PASSED
        fd = os.open(f"{tgid}/task/{thread}/comm", OWN_FLAGS | flags & KEPT_FLAGS, dir_fd=self._there)
        known = self._knows(process)  # asked while it waits: once it has its descriptor it can end any time
        try:
            given = notification.give(self.listener, call.id, fd, close_on_exec=bool(flags & os.O_CLOEXEC))
        finally:
            os.close(fd)
        if not given:
            return verdict.GONE
        if not known:
            self._remember(process)
            self._tell(GRANTED, process, tgid, path)
        return GRANTED

    def _decline(self, cookie: int, reason: str) -> bool:
        """Answer a call that nothing was given for. Returns False when its caller is gone."""
        if reason == verdict.NO_DESCRIPTOR:
            return notification.refuse(self.listener, cookie, errno.EMFILE)
        return notification.go_on(self.listener, cookie)

    def _is_news(self, reason: str) -> bool:
        """Whether a refusal is to be told. What runs inside must not decide how much is written about it."""
        now = time.monotonic()
        since, told = self._refused.get(reason, (now, 0))
        if now - since >= WINDOW:
            since, told = now, 0
        self._refused[reason] = since, told + 1
        return told < MAX_REFUSALS

    def _path(self, pid: int, address: int) -> bytes | None:
        """Return the path, None where it cannot be read. One that is too long is as good as empty: it names no comm."""
        try:
            return self._reader.string(pid, address) or b""
        except OSError:  # not mapped, not dumpable, gone
            return None

    def _base(self, pid: int, folder: int) -> bytes | None:
        """Return the folder that a thread's relative path starts from, None where it has no such descriptor."""
        name = "cwd" if folder == AT_FDCWD else f"fd/{folder}"
        try:
            return os.fsencode(os.readlink(f"{pid}/{name}", dir_fd=self._here))
        except FileNotFoundError:
            return None

    def _numbers(self, pid: int) -> tuple[int, int, int]:
        """Return a thread's process as it is numbered here, and process and thread as the sandbox numbers them."""
        fd = os.open(f"{pid}/status", os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._here)
        try:
            status = os.read(fd, STATUS_SIZE)
            # The groups come before the numbers, and there can be 65,536 of them.
            while b"\nNSpgid:" not in status and (more := os.read(fd, STATUS_SIZE)):
                status += more
        finally:
            os.close(fd)
        processes, threads = _field(status, b"\nNStgid:"), _field(status, b"\nNSpid:")
        if min(len(processes), len(threads)) <= self._depth:  # the caller ended, and its number is outside by now
            raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH))
        return int(processes[0]), int(processes[self._depth]), int(threads[self._depth])

    def _knows(self, process: int) -> bool:
        """Whether this process has been told about; its number may be that of one that ended."""
        known = self._known.get(process)
        return known is not None and not _ended(known)

    def _remember(self, process: int) -> None:
        if process in self._known:
            os.close(self._known.pop(process))
        elif len(self._known) >= MAX_PROCESSES:
            self._forget()
        try:
            self._known[process] = os.pidfd_open(process)
        except OSError:  # it has ended, and opens nothing any more
            pass

    def _forget(self) -> None:
        """Make room: drop the processes that ended, else the oldest."""
        over = [process for process, fd in self._known.items() if _ended(fd)] or list(self._known)[:1]
        for process in over:
            os.close(self._known.pop(process))


def _arguments(call: Notification) -> tuple[int, int, int]:
    """Return the folder, the path's address and the flags of open(2) or openat(2); ints as the kernel cuts them."""
    if call.nr == OPEN:
        return AT_FDCWD, call.arguments[0], call.arguments[1] % INT_SIZE
    folder = call.arguments[0] % INT_SIZE
    return folder - INT_SIZE if folder & INT_SIGN else folder, call.arguments[1], call.arguments[2] % INT_SIZE


def _field(status: bytes, name: bytes) -> list[bytes]:
    """Return a field of proc_pid_status(5); a thread's own name is escaped there, so it cannot pass for one."""
    return status.partition(name)[2].partition(b"\n")[0].split()


def _ended(pidfd: int) -> bool:
    return bool(select.select([pidfd], [], [], 0)[0])


def _reason(error: OSError) -> str:
    if error.errno in (errno.EMFILE, errno.EINVAL, errno.ENOTTY):  # the last two: before Linux 5.9
        return verdict.NO_DESCRIPTOR
    if error.errno == errno.ENOENT:
        return verdict.OTHER
    return verdict.UNREADABLE
