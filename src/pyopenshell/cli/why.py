"""``openshell why PATH``: may a sandbox do this, which grant decides it, and what to write where it may not.

``openshell why --syscall NAME`` is answered by ``why_syscall``.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from pyopenshell.cli import output
from pyopenshell.errors import IdentityError, StateError, UsageError
from pyopenshell.launch.command import as_identity
from pyopenshell.sandbox.why import consult

if TYPE_CHECKING:
    import argparse

    from pyopenshell.effective.model import Effective, Grant, Identity
    from pyopenshell.effective.why import Answer

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
    answer, private = consult(_effective(arguments), arguments.path, arguments.asked or "read", _modes)
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


def _modes(identity: Identity, path: str, mode: int) -> int | None:
    """Return what file modes say to the sandbox's identity: an errno, 0 for yes, None where it cannot be asked."""
    try:
        with as_identity(identity) as access:
            return access.query(path, mode)
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
