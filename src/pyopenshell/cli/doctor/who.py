"""Whom a sandbox would run as, for what is tried as that user."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from pyopenshell.effective.model import Identity
from pyopenshell.errors import OpenShellError

if TYPE_CHECKING:
    from pyopenshell.policy.model import Policy

NOBODY = 65534
"""The overflow uid (user_namespaces(7)): nobody's."""
NAME = "doctor"
"""The sandbox that a dynamic id is asked for; none of this name is made, and the id is not kept."""


def identity(policy: Policy | None = None) -> Identity:
    """Return whom a sandbox would run as that is started here, under the built-in default policy.

    Where the launch would refuse to say, a generic user stands in: a sandbox is no more than that.
    """
    from pyopenshell.launch import dynamic_id
    from pyopenshell.launch import identity as launch_identity
    from pyopenshell.policy import load

    try:
        who, lock = launch_identity.resolve(policy or load.default(), os.getcwd(), NAME)
    except (OpenShellError, OSError):
        own = Identity(os.geteuid(), os.getegid(), tuple(os.getgroups()), "caller")
        return own if own.uid else Identity(NOBODY, NOBODY, (), "anyone but root")
    if lock is not None:
        dynamic_id.release(who.uid, lock)
    return who


def as_launched(who: Identity, effective: dict[str, Any] | None) -> Identity:
    """Return the identity with the groups that a sandbox really had: a CDI spec can add some."""
    groups = ((effective or {}).get("identity") or {}).get("groups")
    return who.replace(groups=tuple(groups)) if isinstance(groups, list) else who


def words(who: Identity) -> str:
    """Return the identity in words: the account where it has one."""
    if who.source == "dynamic":
        return "a dynamic id" + (f" with groups {_groups(who)}" if who.groups else " without groups")
    account_name = account(who.uid)
    name = f" ({account_name})" if account_name else ""
    return f"uid {who.uid}{name}" + (f" in groups {_groups(who)}" if who.groups else "")


def _groups(who: Identity) -> str:
    return ", ".join(map(group_name, who.groups))


def group_name(gid: int) -> str:
    """Return a group's name, its number where it has none."""
    import grp

    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def account(uid: int) -> str | None:
    """Return the name of the account with this uid, None where there is none."""
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return None
