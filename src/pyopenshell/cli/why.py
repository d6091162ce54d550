"""``openshell why PATH``: may a sandbox do this, which grant decides it, and what to write where it may not.

``openshell why --syscall NAME`` is answered by ``why_syscall``.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from pyopenshell.cli import output
from pyopenshell.effective.paths import OWN_FOLDERS, inside, is_own_proc, upward
from pyopenshell.effective.resolve import resolver
from pyopenshell.effective.why import Answer
from pyopenshell.effective.why import why as ask
from pyopenshell.errors import IdentityError, StateError, UsageError
from pyopenshell.launch.command import as_identity
from pyopenshell.seccomp.verdict import is_thread_name

if TYPE_CHECKING:
    import argparse

    from pyopenshell.effective.model import Effective, Grant, Identity
    from pyopenshell.effective.request import Resolved

DENIED = 1


def why(arguments: argparse.Namespace) -> int:
    """Print the answer. Returns 0 where the access is allowed, 1 where it is denied."""
    if arguments.syscall is not None:
        from pyopenshell.cli import why_syscall

        why_syscall.check(arguments)
        return why_syscall.why(arguments, _effective(arguments).seccomp)
    if arguments.path is None:
        raise UsageError("why: about what? a PATH or --syscall NAME is needed", hint=arguments.parser.short_usage())
    if "\0" in arguments.path or not arguments.path:
        raise UsageError("why: an empty path, or one with a NUL in it, names nothing")
    path = os.path.join(os.getcwd(), arguments.path)
    effective = _effective(arguments)
    wants = arguments.asked or "read"
    resolve = resolver(os.geteuid())
    # As written, and where it leads: a link on the host's /tmp does not exist in a private one.
    private = _private(effective, os.path.normpath(path), resolve(path).place or "/")
    resolve = _as_private if private else resolve
    # Of the first process of a pid namespace nobody else is a thread.
    own_init = path.startswith("/proc/1/") and effective.isolation["pid"].state == "private"
    brokered = is_thread_name(os.fsencode(path)) and not own_init
    answer = ask(effective, path, wants, resolve, brokered=brokered)
    # A private folder is made for the sandbox's identity: its modes allow everything.
    modes = 0 if private else _modes(effective.identity, answer)
    answer = ask(effective, path, wants, resolve, modes, brokered=brokered)
    if arguments.output == "table":
        _show(answer, private)
    else:
        output.document({**answer.as_dict(), "private": private and private.path}, arguments.output)
    return 0 if answer.allowed else DENIED


def _effective(arguments: argparse.Namespace) -> Effective:
    """Return what was enforced in a sandbox, or what would be for a program started here."""
    if arguments.name is None:
        from pyopenshell import sandbox

        request = sandbox.RunRequest(
            command=("/bin/sh",),
            name="why",
            policy=arguments.policy,
            gpu=arguments.gpu,
            devices=tuple(arguments.device),
            cdi_spec_dirs=tuple(arguments.cdi_spec_dirs),
        )
        planned = sandbox.plan(request)
        planned.close()
        return planned.effective
    if arguments.gpu is not None or arguments.device:
        asked = "--device" if arguments.device else "--gpu"
        raise UsageError(f"why: {asked} does not go with --name", hint="a sandbox that ran has its devices, or none")
    from pyopenshell import runs
    from pyopenshell.effective.load import from_dict

    shape = runs.find(arguments.name).effective()
    if shape is None:
        raise StateError(
            f"sandbox {arguments.name} has no effective policy: its launch did not get that far",
            hint=f"openshell sandbox inspect {arguments.name} shows what there is",
        )
    return from_dict(shape)


def _private(effective: Effective, *places: str) -> Grant | None:
    """Return the grant of the sandbox's own folder that one of these paths is in, where one is.

    The innermost grant decides: a declared folder in ``/tmp`` is the host's, bound back.
    """
    if effective.isolation["mount"].state != "private":
        return None
    granted = {grant.resolved or grant.path: grant for grant in effective.grants if grant.status != "skipped"}
    for place in places:
        innermost = next((folder for folder in upward(place) if folder in granted), None)
        if innermost and any(inside(innermost, folder) for folder in OWN_FOLDERS):
            grant = granted[innermost]
            if grant.origin.kind == "baseline":
                return grant
    return None


def _as_private(path: str) -> Resolved:
    """Return a path in a private folder as one that is there: the host's content says nothing about it."""
    from pyopenshell.effective.request import Resolved

    place = os.path.normpath(path)
    return Resolved(place, place=place, is_dir=place in OWN_FOLDERS)


def _modes(identity: Identity, answer: Answer) -> int | None:
    """Return what file modes say to the sandbox's identity: an errno, 0 for yes, None where it cannot be asked."""
    # What lies under /proc/self is another process's for everyone who asks.
    if not os.path.lexists(answer.subject) or is_own_proc(answer.subject):
        return None
    changes = any(right.startswith(("make_", "remove_")) for right in answer.needed)
    writes = not {"write_file", "resolve_unix"}.isdisjoint(answer.needed)  # connecting takes it of a socket, unix(7)
    mode = os.W_OK | os.X_OK if changes else os.W_OK if writes else os.R_OK
    if answer.needed == ("execute",):
        mode = os.X_OK
    try:
        with as_identity(identity) as access:
            return access.query(answer.subject, mode)
    except IdentityError:
        return None


def _show(answer: Answer, private: Grant | None) -> None:
    verdict = "allowed" if answer.allowed else "denied"
    told = "" if answer.allowed else f" ({errno.errorcode.get(answer.errno, str(answer.errno))})"
    real = f" -> {answer.resolved}" if answer.resolved not in (None, answer.path) else ""
    output.paragraph(f"{answer.wants} {answer.path}{real}{told}", mark=verdict)
    if private:
        output.paragraph(f"{private.path} is the sandbox's own: what the host has there is not seen in it.", indent=2)
    for sentence in answer.explanation:
        output.paragraph(sentence, indent=2)
    if answer.grants:
        output.title("Grants that decide")
        rows = [
            (
                grant.path,
                ", ".join(right for right in answer.needed if right in (grant.actual or grant.access)),
                str(grant.origin),
                ":".join(str(part) for part in (grant.origin.file, grant.origin.line) if part) or "-",
                grant.status,
            )
            for grant in answer.grants
        ]
        output.table(("path", "gives", "origin", "from", "status"), rows, indent=2)
    if answer.advice:
        output.title("To allow it")
        output.paragraph(answer.advice, indent=2)


VERBS = {"why": why}
