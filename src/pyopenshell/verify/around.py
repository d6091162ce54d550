"""What a verifier has outside of the sandbox for the time of a verification, and how all of it goes again."""

from __future__ import annotations

import _socket
import os
from errno import EISDIR

from pyopenshell.kernel import process
from pyopenshell.kernel.signals import SIGKILL
from pyopenshell.launch import namer
from pyopenshell.launch.become import become
from pyopenshell.verify import outside

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pyopenshell.effective.model import Effective, Identity
    from pyopenshell.verify.attempt import Attempt

_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


class Around:
    """Sockets that listen, a process to look at, and the name of whatever the probe makes."""

    def __init__(self, effective: Effective) -> None:
        """Set it up. What cannot be had is not tried."""
        self.token = outside.token()
        name = f"openshell-verify-{self.token[-16:]}"
        self._abstract, self._pathname = b"\0" + name.encode(), f"/tmp/{name}"  # noqa: S108
        self._sockets = [_listener(self._abstract), _listener(self._pathname)]
        sees_processes = effective.isolation["pid"].state != "private"
        self._bystander = _bystander(effective.identity) if sees_processes else 0

    def seen(self, who: Identity, supervisor: int) -> outside.Outside:
        """Return what there is to try."""
        abstract, pathname = self._sockets
        return outside.Outside(
            home=outside.home(),
            folders=outside.own_folders(),
            supervisor=supervisor,
            bystander=self._bystander,
            namespaces=outside.namespaces(),
            abstract=self._abstract if abstract else None,
            pathname=self._pathname if pathname else None,
            token=self.token,
            entries=lambda folder: outside.entries(folder, who),
            look=outside.look,
        )

    def close(self) -> None:
        """Let all of it go; where the sandbox shares ``/tmp``, it may have removed the socket there already."""
        for listening in self._sockets:
            if listening:
                listening.close()
        if self._sockets[1]:
            try:
                os.unlink(self._pathname)
            except OSError:  # gone, or something else stands there now
                pass
        if self._bystander:
            os.kill(self._bystander, SIGKILL)
            os.waitpid(self._bystander, 0)


def remove(attempts: Iterable[Attempt], token: str, on_host: Callable[[str], str] = str) -> tuple[str, ...]:
    """Remove what a probe that came to no end has left, by the names it was told; return what is left all the same.

    The probe removes what it makes, so mostly there is nothing. Where it was kept from that, its folder lies in one
    that the sandbox may write: links are followed nowhere on the way, and nothing is removed that has another name.
    Emptying that folder whole could remove what the sandbox may move, and not remove. ``on_host`` says where the host
    has what the sandbox sees at a path.
    """
    names = {on_host(attempt.target) for attempt in attempts if f"/{token}" in attempt.target}
    left = []
    for path in sorted(names, key=len, reverse=True):
        folder, _, name = path.rpartition("/")
        try:
            parent = process.openat2(process.AT_FDCWD, folder, _FOLDER, 0, process.RESOLVE_NO_SYMLINKS)
        except OSError:  # it never was, or is the sandbox's alone, or there is a link in its place
            continue
        try:
            _remove(name, parent)
        except OSError:
            if _is_there(name, parent):  # where nothing can be removed, the kernel says that first
                left.append(path)
        finally:
            os.close(parent)
    return tuple(sorted(left))


def _remove(name: str, parent: int) -> None:
    try:
        os.unlink(name, dir_fd=parent)
    except OSError as error:
        if error.errno != EISDIR:
            raise
        os.rmdir(name, dir_fd=parent)


def _is_there(name: str, parent: int) -> bool:
    try:
        os.stat(name, dir_fd=parent, follow_symlinks=False)
    except OSError:
        return False
    return True


def _listener(address: bytes | str) -> _socket.socket | None:
    """Return a socket that listens, open to every user; None where it cannot be made."""
    listening = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
    # bind(2) makes the file with mode 0777 less the umask. Whoever is kept from it is so by the sandbox alone; a
    # chmod(2) afterwards could follow a link that somebody put in its place.
    mask = os.umask(0)
    try:
        listening.bind(address)
        listening.listen(1)
    except OSError:
        listening.close()
        return None
    finally:
        os.umask(mask)
    return listening


def _bystander(identity: Identity) -> int:
    """Start a program of the sandbox's own user outside of it, which only waits; 0 where that fails."""
    ready, failed = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        try:
            become({**identity.as_dict(), "change_identity": os.geteuid() == 0})
            process.set_parent_death_signal(SIGKILL)
            namer.execute(namer.waiting())
        except OSError:
            os.write(failed, b"!")
        finally:
            os._exit(1)
    os.close(failed)
    started = not os.read(ready, 1)
    os.close(ready)
    if not started:
        os.waitpid(pid, 0)
    return pid if started else 0
