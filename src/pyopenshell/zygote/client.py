"""The owner's side: the zygote is started on first use, found again by every thread, and ended with this process.

The owner never forks for us: ``posix_spawn`` starts an interpreter without a copy of its memory, whatever threads and
device contexts it has. After a fork of its own, the child has neither zygote nor sandboxes: its copies of their
descriptors are closed, so that they end with the process they belong to, and it starts a zygote of its own on use.
"""

from __future__ import annotations

import _socket
import atexit
import os
import threading

from pyopenshell.zygote import rights
from pyopenshell.zygote.started import Zygote, start, starved, useless

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyopenshell.zygote.started import Held, Identity

lock = threading.RLock()
"""To be held while descriptors are made until they are in ``held``: a fork waits for it. Reentrant, because what the
collector finalizes in between may take it too."""
held: set[Held] = set()
"""What a forked child has to close."""
_zygotes: dict[Identity, Zygote] = {}
"""The one that makes sandboxes for this process, by the identity that this has; or none."""
_retired: list[Zygote] = []
"""Those of other identities, whose doors are shut, as long as sandboxes of theirs are open."""


def connect(user: Held, first: bytes) -> tuple[_socket.socket, int, Zygote]:
    """Return a new connection, how much of ``first`` is sent on it, and the zygote that it leads to.

    That is started where there is none. Hold ``lock``, with the user in ``held``; it calls ``disconnected``, also after
    an error. Raises ZygoteError where it cannot be started.
    """
    try:
        identity = rights.identity()
    except OSError as error:
        raise starved(error) from error
    with lock:
        zygote = _zygotes.get(identity)
        if zygote and not zygote.is_beyond:
            try:
                return *zygote.connect(user, first), zygote
            except (BrokenPipeError, ConnectionResetError):  # it was killed since
                del _zygotes[identity]
                zygote.end()
            except OSError as error:
                raise starved(error) from error
        _retire()
        zygote = _zygotes[identity] = start(identity)
        try:
            return *zygote.connect(user, first), zygote
        except OSError as error:
            raise useless(zygote) from error


def disconnected(user: Held) -> None:
    """Know a user's connection as over. A zygote that was retired ends with the last one."""
    with lock:
        for zygote in (*_zygotes.values(), *_retired):
            zygote.users.discard(user)
        for zygote in [zygote for zygote in _retired if not zygote.users]:
            _retired.remove(zygote)
            zygote.end()


def _retire() -> None:
    """Have nothing left that could start sandboxes with rights that this process has given up."""
    while _zygotes:
        _, zygote = _zygotes.popitem()
        zygote.shut()
        if zygote.users:
            _retired.append(zygote)
        else:
            zygote.end()


def is_ours(fd: int) -> bool:
    """Whether a descriptor is one of those by which sandboxes are made, kept and spoken to. Hold ``lock``."""
    return any(fd in holder.descriptors() for holder in (*held, *_zygotes.values(), *_retired))


def _forget_all() -> None:
    """Make a forked child a process of its own, then let others go on."""
    for holder in (*held, *_zygotes.values(), *_retired):
        holder.forget()
    held.clear()
    _zygotes.clear()
    _retired.clear()
    lock.release()


def _end_all() -> None:
    """End this process's sandboxes and zygote, and wait until they are gone."""
    with lock:
        for holder in held:
            holder.forget()
        held.clear()
        for zygote in (*_zygotes.values(), *_retired):
            zygote.end()
        _zygotes.clear()
        _retired.clear()


os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=_forget_all)
atexit.register(_end_all)
