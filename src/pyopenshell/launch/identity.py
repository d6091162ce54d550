"""Whom the sandbox runs as (docs/design.md, section 6).

As an ordinary user: that user. As root: the policy's user and group, else the ``sandbox`` account, else the owner of
the working directory, else a dynamic id. Never uid 0, and as root never a group 0 either.
"""

from __future__ import annotations

import grp
import os
import pwd

from pyopenshell.effective.model import Identity
from pyopenshell.errors import IdentityError
from pyopenshell.kernel.process import has_capability
from pyopenshell.launch import dynamic_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from pyopenshell.policy.model import Policy

    _User = tuple[int, pwd.struct_passwd | None]

ACCOUNT = "sandbox"
"""The account that is used where it exists and the policy names none."""
CAPABILITIES = (("CAP_SETUID", 7), ("CAP_SETGID", 6))
MAX_ID = (1 << 32) - 2
"""The largest uid or gid; the next one means "no change" to the kernel."""
NO_LOGIN = ("nologin", "false", "true")


def resolve(
    policy: Policy, workdir: str | None, name: str, ids_folder: str | None = None
) -> tuple[Identity, int | None]:
    """Return the identity for the sandbox ``name``, and the lock of a dynamic id.

    ``workdir`` is None where its owner says nothing: a folder that was made for the sandbox.
    The lock is a file descriptor: the id is ours until it is closed, so it must live as long as the sandbox.
    ``ids_folder`` keeps each name's dynamic id from run to run. Raises IdentityError for what cannot or must not be,
    StateError when the id cannot be kept.
    """
    if len({*os.getresuid()}) > 1 or len({*os.getresgid()}) > 1:
        raise IdentityError(
            "openshell runs with the ids of two users (set-uid or set-gid)",
            hint="start it directly as the user it should run as; it needs no set-uid bit",
        )
    try:
        user = None if policy.process.run_as_user is None else _user(policy.process.run_as_user)
        gid = None if policy.process.run_as_group is None else _group(policy.process.run_as_group)
        if os.geteuid() != 0:
            return _caller(user, gid), None
    except IdentityError as error:
        error.file = policy.source.file
        raise
    return _as_root(user, gid, workdir, name, ids_folder)


def _caller(user: _User | None, group: int | None) -> Identity:
    """Return the calling user; whoever else the policy names, an ordinary user cannot become."""
    uid, gid = os.geteuid(), os.getegid()
    for kind, wanted, own in (("user", user[0] if user else None, uid), ("group", group, gid)):
        if wanted is not None and wanted != own:
            raise IdentityError(
                f"process.run_as_{kind} is {kind} {wanted}, but openshell was started by {kind} {own}",
                hint=f"start openshell as root or as that {kind}, or remove process.run_as_{kind}",
            )
    return _identity(uid, gid, os.getgroups(), "caller", _entry(uid))


def _as_root(
    user: _User | None, gid: int | None, workdir: str | None, name: str, ids_folder: str | None
) -> tuple[Identity, int | None]:
    missing = [label for label, number in CAPABILITIES if not has_capability(number)]
    if missing:
        raise IdentityError(
            f"openshell runs as root without {' and '.join(missing)}, so it cannot leave uid 0 for the sandbox",
            hint="start it as an ordinary user, or give the container these capabilities",
        )
    if user is not None:
        (uid, entry), source = user, "policy"
    elif account := _named(ACCOUNT):
        uid, entry, source = account.pw_uid, account, "account"
    elif workdir is not None and (uid := (folder := _stat(workdir)).st_uid):
        entry, source = _entry(uid), "workdir owner"
        if entry is None and gid is None:
            gid = folder.st_gid or None  # the best there is to know about an id without an account
    else:
        uid, lock = dynamic_id.take(name, ids_folder)
        gid = uid if gid is None else gid
        try:
            _check(uid, gid)
        except IdentityError:
            os.close(lock)
            raise
        return _identity(uid, gid, (), "dynamic", None), lock
    gid = _default_group(uid, entry) if gid is None else gid
    _check(uid, gid)
    groups = os.getgrouplist(entry.pw_name, gid) if entry else ()
    return _identity(uid, gid, [number for number in groups if number != 0], source, entry), None


def _check(uid: int, gid: int) -> None:
    """Refuse ids that give root's rights, and those this user namespace does not have."""
    for kind, number, key in (("uid", uid, "run_as_user"), ("gid", gid, "run_as_group")):
        if number == 0:
            raise IdentityError(
                f"a sandbox never runs with {kind} 0",
                hint=f"name an ordinary account in process.{key}",
                code="identity.root",
            )
        ranges = _ranges(kind)
        if not any(first <= number < first + count for first, _outside, count in ranges):
            known = ", ".join(f"{first}-{first + count - 1}" for first, _outside, count in ranges)
            raise IdentityError(
                f"{kind} {number} does not exist in this user namespace, which has only {known or 'none'}",
                hint=f"name an id of those in process.{key}, or give the container more (subuid(5), subgid(5))",
            )


def has_group_id(gid: int) -> bool:
    """Whether this user namespace has a group id (user_namespaces(7))."""
    return gid <= MAX_ID and any(first <= gid < first + count for first, _outside, count in _ranges("gid"))


def _ranges(kind: str) -> list[tuple[int, ...]]:
    """Return (first id, first id outside, number) of each range of ``uid`` or ``gid`` ids."""
    with open(f"/proc/self/{kind}_map", encoding="utf-8") as file:
        return [tuple(map(int, line.split())) for line in file]


def _identity(uid: int, gid: int, groups: Iterable[int], source: str, entry: pwd.struct_passwd | None) -> Identity:
    groups = tuple(sorted(set(groups)))
    if entry is None:
        # USER must not be the name of some other account.
        return Identity(uid, gid, groups, source, user=ACCOUNT if _named(ACCOUNT) is None else f"{ACCOUNT}-{uid}")
    shell = entry.pw_shell if entry.pw_shell and os.path.basename(entry.pw_shell) not in NO_LOGIN else "/bin/sh"
    return Identity(uid, gid, groups, source, user=entry.pw_name, home=entry.pw_dir or "/", shell=shell)


def _user(text: str) -> _User:
    number = _number(text, "run_as_user")
    if number is not None:
        return number, _entry(number)
    entry = _named(text)
    if entry is None:
        raise _unknown("user", text, (known.pw_name for known in pwd.getpwall()))
    return entry.pw_uid, entry


def _group(text: str) -> int:
    number = _number(text, "run_as_group")
    if number is not None:
        return number
    try:
        return grp.getgrnam(text).gr_gid
    except (KeyError, ValueError):
        raise _unknown("group", text, (known.gr_name for known in grp.getgrall())) from None


def _number(text: str, key: str) -> int | None:
    """Return the number, or None for a name."""
    if not (text.isascii() and text.isdigit()):
        return None
    if len(text) > len(str(MAX_ID)) or int(text) > MAX_ID:
        raise IdentityError(f"process.{key} is too large", hint=f"ids go up to {MAX_ID}")
    return int(text)


def _default_group(uid: int, entry: pwd.struct_passwd | None) -> int:
    """Return the account's group, or for a uid without one the same number, unless that is some group's already."""
    if entry is not None:
        return entry.pw_gid
    try:
        taken = grp.getgrgid(uid).gr_name
    except KeyError:
        return uid
    raise IdentityError(
        f"uid {uid} has no account to take a group from, and gid {uid} is the group {taken}",
        hint="set process.run_as_group",
    )


def _entry(uid: int) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwuid(uid)
    except KeyError:
        return None


def _named(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except (KeyError, ValueError):  # ValueError: the text cannot be a name at all (NUL, lone surrogates)
        return None


def _stat(workdir: str) -> os.stat_result:
    try:
        return os.stat(workdir)
    except OSError as error:
        raise IdentityError(
            f"cannot tell whose the working directory {workdir} is: {error.strerror}",
            hint="choose another one, or set process.run_as_user",
        ) from error


def _unknown(kind: str, text: str, known: Iterable[str]) -> IdentityError:
    from difflib import get_close_matches

    near = get_close_matches(text, [*known])
    hint = f"did you mean {' or '.join(near)}?" if near else f"name a {kind} of this machine, or give a number"
    return IdentityError(f"there is no {kind} {text!r}", hint=hint, code=f"identity.unknown-{kind}")
