"""Dynamic ids: a uid and gid that no account has, locked where systemd locks its own, kept for a sandbox's name."""

from __future__ import annotations

import fcntl
import grp
import os
import pwd

from pyopenshell.errors import IdentityError, StateError
from pyopenshell.policy.digest import sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

DYNAMIC = range(61184, 65520)
"""The ids of systemd's DynamicUser= (systemd.exec(5)), which no account may have."""
LOCKS = "/run/systemd/dynamic-uid"
"""Where systemd locks its own dynamic ids; a file that is locked there is an id in use."""


def take(name: str, ids_folder: str | None) -> tuple[int, int]:
    """Return a dynamic id (uid and gid alike) and its lock, a descriptor: the id kept for this name, else a free one.

    Raises IdentityError where nothing can be locked or all ids are in use, StateError when the id cannot be kept.
    """
    kept = _kept(ids_folder) if ids_folder else {}
    own = kept.pop(name, None)
    others = set(kept.values())  # an id may still own files that a sandbox of that name left somewhere
    try:
        os.makedirs(LOCKS, 0o755, exist_ok=True)
        for uid in _candidates(name, own, others):
            if _in_use(uid):
                continue
            lock = _lock(uid, name)
            if lock is not None:
                if ids_folder and uid != own:
                    _keep(ids_folder, name, uid)
                return uid, lock
    except OSError as error:
        raise IdentityError(
            f"cannot lock a dynamic id in {LOCKS}: {error.strerror}",
            hint="set process.run_as_user, add an account named sandbox, or start openshell as an ordinary user",
        ) from error
    raise IdentityError(
        f"every dynamic id ({DYNAMIC.start}-{DYNAMIC.stop - 1}) is in use", hint="set process.run_as_user in the policy"
    )


def release(uid: int, lock: int) -> None:
    """Let go of an id: its file goes while it is still locked, as systemd does it."""
    try:
        os.unlink(f"{LOCKS}/{uid}")
    except OSError:
        pass  # the folder is root's: what cannot be removed is only a name
    os.close(lock)


def forget(name: str, ids_folder: str) -> None:
    """Keep an id no longer for a name that nobody will ask for again; nor what a killed process left of its lock."""
    try:
        with open(f"{ids_folder}/{name}", "rb") as file:
            uid = file.read(16).strip()
        os.unlink(f"{ids_folder}/{name}")
        if uid.isdigit() and int(uid) in DYNAMIC and os.path.exists(f"{LOCKS}/{int(uid)}"):
            lock = _lock(int(uid), name)
            if lock is not None:
                release(int(uid), lock)
    except OSError:  # none was kept, or it is not ours to remove
        pass


def _candidates(name: str, own: int | None, others: set[int]) -> Iterator[int]:
    """Yield the name's own id, then free ones from where the name's hash points to, then those of other names."""
    if own is not None:
        yield own
    start = int(sha256(name.encode())[:8], 16)
    for taken in (False, True):
        for step in range(len(DYNAMIC)):
            uid = DYNAMIC[(start + step) % len(DYNAMIC)]
            if uid != own and (uid in others) is taken:
                yield uid


def _in_use(number: int) -> bool:
    """Whether an account or a group has this number."""
    try:
        pwd.getpwuid(number)
    except KeyError:
        pass
    else:
        return True
    try:
        grp.getgrgid(number)
    except KeyError:
        return False
    return True


def _lock(uid: int, name: str) -> int | None:
    """Lock the id as systemd does, with the name written into the file; None when someone else has it."""
    while True:
        fd = os.open(f"{LOCKS}/{uid}", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return None
        if os.fstat(fd).st_nlink:
            os.ftruncate(fd, 0)
            os.pwrite(fd, f"{name}\n".encode(), 0)
            return fd
        os.close(fd)  # its last owner removed the file after we opened it: the lock would be on a file nobody sees


def _kept(folder: str) -> dict[str, int]:
    """Read which name has which id. A file that makes no sense is as good as none."""
    kept = {}
    try:
        for name in os.listdir(folder):
            with open(f"{folder}/{name}", "rb") as file:
                text = file.read(16).strip()
            if text.isdigit() and int(text) in DYNAMIC and not name.startswith("."):
                kept[name] = int(text)
    except FileNotFoundError:
        return kept
    except OSError as error:
        raise _state_error(folder, error) from error
    return kept


def _keep(folder: str, name: str, uid: int) -> None:
    """Write the name's id, whole or not at all."""
    temporary = f"{folder}/.{name}"
    try:
        os.makedirs(folder, 0o700, exist_ok=True)
        with open(temporary, "w", encoding="utf-8") as file:
            file.write(f"{uid}\n")
        os.rename(temporary, f"{folder}/{name}")
    except OSError as error:
        raise _state_error(folder, error) from error


def _state_error(folder: str, error: OSError) -> StateError:
    return StateError(
        f"cannot keep the sandbox's id in {folder}: {error.strerror}", hint="the state folder must be writable"
    )
