"""What to try about who the sandbox is: ids, capabilities, the marks of its confinement, namespaces."""

from __future__ import annotations

import errno

from pyopenshell.launch.checks import LINKS
from pyopenshell.verify.attempt import ALLOWED, DENIED, IDENTITY, About

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from pyopenshell.effective.model import Effective
    from pyopenshell.verify.attempt import Attempt
    from pyopenshell.verify.outside import Outside

PR_GET_DUMPABLE = 3
OTHERWISE = (errno.ESTALE,)
CAPABILITIES = (b"CapInh", b"CapPrm", b"CapEff", b"CapAmb")


def attempts(effective: Effective, receipt: Mapping[str, Any], seen: Outside) -> Iterator[Attempt]:
    """Compare what a process inside is with what the report says it is."""
    who = effective.identity
    yield _status("uid", b"Uid", " ".join([str(who.uid)] * 4), str(who.uid))
    yield _status("gid", b"Gid", " ".join([str(who.gid)] * 4), str(who.gid))
    if effective.isolation["user"].state != "private":  # else groups have no number inside
        groups = " ".join(str(group) for group in sorted(set(who.groups)))
        yield _status("groups", b"Groups", groups, groups or "none")
    for field in CAPABILITIES:
        yield _status("capabilities", field, "0" * 16, "none")
    yield _status("no_new_privs", b"NoNewPrivs", "1", "set")
    yield _status("syscall filter", b"Seccomp", "2", "in force")
    yield _is("core dumps", ("value", None, "prctl", (PR_GET_DUMPABLE,), 0), "of the probe and init: none")
    for kind, name in LINKS.items():
        path, inode = f"/proc/self/ns/{name}".encode(), receipt["namespaces"].get(kind)
        if inode is not None:
            yield _is(f"{kind} namespace", ("inode", None, path, inode), f"{inode}, as in the receipt")
        ours = seen.namespaces[kind]
        if ours is not None and "namespace" in effective.isolation[kind].mechanism:
            call = ("inode", None, path, ours)
            other = About(IDENTITY, f"{kind} namespace").attempt(name, "is", DENIED, call)
            yield other.replace(words=f"not {ours}, the host's")


def _status(subject: str, field: bytes, value: str, words: str) -> Attempt:
    return _is(subject, ("status", None, {field: value.encode()}), words)


def _is(subject: str, call: tuple[Any, ...], words: str) -> Attempt:
    return About(IDENTITY, subject).attempt(subject, "is", ALLOWED, call).replace(refusals=OTHERWISE, words=words)
