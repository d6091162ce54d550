"""Which namespaces can this process really make? A throwaway child tries; sysctls and capability bits do not tell.

Ubuntu 24.04, for one, lets an ordinary user make a user namespace and then denies every mount inside it
(AppArmor's restriction of unprivileged user namespaces), so the trial mounts what a launch would mount.
"""

from __future__ import annotations

import marshal
import os

from pyopenshell.devices.host import Namespaces
from pyopenshell.kernel import namespaces as ns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Trial:
    """A throwaway child that is trying. Start it early, ask for the result when it is needed, then ``close``."""

    def __init__(self) -> None:
        """Fork the child."""
        self._read, write = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            try:
                os.write(write, marshal.dumps(_attempt()))
            finally:
                os._exit(0)
        os.close(write)

    def result(self) -> Namespaces:
        """Wait for the child's answer (one write, so one read). A child that died without one found nothing."""
        data = os.read(self._read, 65536)
        if not data:
            return Namespaces(reason="the trial process died")
        return Namespaces(**marshal.loads(data))  # noqa: S302 - written by our own child, before any exec

    def close(self) -> None:
        """Reap the child, once. It answers before the kernel has taken its namespaces down, which takes longer."""
        if self._pid:
            os.close(self._read)
            os.waitpid(self._pid, 0)
            self._pid = 0


def namespaces() -> Namespaces:
    """Try and wait."""
    trial = Trial()
    try:
        return trial.result()
    finally:
        trial.close()


def map_identity(uid: int, gid: int) -> None:
    """Map the caller's own ids onto themselves in the user namespace just made (user_namespaces(7))."""
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        fd = os.open(f"/proc/self/{name}", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(fd, text.encode())
        finally:
            os.close(fd)


def _attempt() -> dict[str, bool | str | None]:
    found: dict[str, bool | str | None] = {}
    problems: list[str] = []

    def attempt(name: str, *actions: Callable[[], None]) -> bool:
        try:
            for action in actions:
                action()
        except OSError as error:
            problems.append(f"{name} namespace: {error.filename or 'write'}: {error.strerror}")
            return False
        found[name] = True
        return True

    uid, gid = os.geteuid(), os.getegid()
    if uid != 0 and not attempt("user", lambda: ns.unshare(ns.CLONE_NEWUSER), lambda: map_identity(uid, gid)):
        return {"reason": problems[0]}
    mount = attempt("mount", lambda: ns.unshare(ns.CLONE_NEWNS), _mounts)
    attempt("net", lambda: ns.unshare(ns.CLONE_NEWNET), ns.bring_up_loopback)
    attempt("ipc", lambda: ns.unshare(ns.CLONE_NEWIPC))
    if mount:
        attempt("pid", lambda: ns.unshare(ns.CLONE_NEWPID), _fresh_proc)
    if uid != 0 and set(found) == {"user"}:
        found.clear()  # a user namespace alone isolates nothing here
    found["reason"] = problems[0] if problems else None
    return found


def _mounts() -> None:
    ns.mount(None, "/", None, ns.MS_REC | ns.MS_PRIVATE, None)
    ns.mount_set_read_only(os.open("/", os.O_PATH | os.O_CLOEXEC))
    ns.mount("tmpfs", "/tmp", "tmpfs", ns.MS_NOSUID | ns.MS_NODEV, "mode=1777")  # noqa: S108
    ns.mount("devpts", "/dev/pts", "devpts", ns.MS_NOSUID | ns.MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620")


def _fresh_proc() -> None:
    """Mount a procfs as pid 1 of the new namespace: refused where parts of the old one are hidden."""
    pid = os.fork()
    if pid == 0:
        try:
            ns.mount("proc", "/proc", "proc", ns.MS_NOSUID | ns.MS_NODEV | ns.MS_NOEXEC, None)
            os._exit(0)
        except OSError as error:
            os._exit(error.errno or 1)
        finally:
            os._exit(255)
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    if code != 0:
        raise OSError(abs(code), os.strerror(abs(code)), "mount proc")
