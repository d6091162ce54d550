"""``openshell run``: the cold path. Imports nothing it does not need; options come from ``run_options``."""

from __future__ import annotations

import os

from pyopenshell.cli import run_options
from pyopenshell.errors import UsageError
from pyopenshell.kernel import signals
from pyopenshell.launch import streams
from pyopenshell.launch.trial import Trial

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from pyopenshell.effective.model import Effective
    from pyopenshell.launch.ending import Exit
    from pyopenshell.sandbox import Planned
    from pyopenshell.verify.judge import Verification

SHOWN = ("Medium", "High", "Critical")
"""Severities of findings that are worth a line on stderr before the command starts."""


def main(argv: Sequence[str]) -> int:
    """Run a command in a sandbox, or explain what would be done. Returns the exit code."""
    streams.fill()
    options, command = run_options.parse(argv)
    if options["help"]:
        os.write(1, run_options.help_text().encode())
        return 0
    trial = Trial()  # it measures in a child of its own while the rest is imported
    try:
        return _run(options, tuple(command), trial)
    finally:
        trial.close()


def _run(options: dict[str, Any], command: tuple[str, ...], trial: Trial) -> int:
    from pyopenshell import sandbox

    request = sandbox.RunRequest(
        command=command,
        policy=options["policy"],
        name=options["name"],
        gpu=options["gpu"],
        devices=options["devices"],
        cdi_spec_dirs=options["cdi_spec_dirs"],
        env=options["env"],
        workdir=options["workdir"],
        max_abi=options["max_abi"],
        unsafe_unconfined=options["unsafe_unconfined"],
    )
    if options["explain"]:
        if options["verify"]:
            raise UsageError("run: --verify tries a sandbox, and --explain makes none", hint=run_options.HINT)
        from pyopenshell.cli.explain import explain

        return explain(request, options["output"] or "table", trial)

    def notice(planned: Planned, effective: Effective) -> None:
        for line in _notices(planned, effective):
            _note(line)

    def verified(verification: Verification) -> None:
        for one in verification.drift:
            _note(f"openshell: drift: {one.sentence()}")
        for path in verification.left_behind:
            _note(f"openshell: the verification could not remove what it made: {path}")
        if not options["quiet"] and not verification.drift:
            _note(f"openshell: verified: {verification.summary}")

    quiet, verify = options["quiet"], options["verify"]
    end = sandbox.run(request, None if quiet else notice, trial, verified if verify else None)
    return _finish(end, command[0])


def _notices(planned: Planned, effective: Effective) -> list[str]:
    """Return what the operator should know before the command starts: what is weaker than asked, what was made."""
    lines = [
        f"openshell: {finding.severity.lower()}: {finding.message}" + (f" ({finding.hint})" if finding.hint else "")
        for finding in effective.findings
        if finding.severity in SHOWN
    ]
    lines += [f"openshell: {grant.path}: {grant.detail.message}" for grant in effective.grants if _was_created(grant)]
    if lines:
        lines.append(f"openshell: all grants: openshell policy get {planned.effective.name} --full")
    return lines


def _was_created(grant: object) -> bool:
    detail = getattr(grant, "detail", None)
    return bool(detail and detail.message and detail.message.startswith("created"))


def _finish(end: Exit, program: str) -> int:
    """Say in words what a bare number does not, and return the exit code."""
    if end.exec_errno is not None:
        from pyopenshell.launch.hints import exec_failed

        raise exec_failed(program, end.exec_errno)
    if end.survivors:
        _note(f"openshell: these processes of the sandbox could not be ended: {', '.join(map(str, end.survivors))}")
    for trouble in end.troubles:
        _note(f"openshell: {trouble}")
    if end.lost:
        _note(f"openshell: {end.lost}")
    elif end.signal is not None and end.signal not in (signals.SIGINT, signals.SIGPIPE):
        _note(f"openshell: {program} was ended by {signals.name(end.signal)}")
    for sentence in end.likely:
        _note(f"openshell: {sentence}")
    return end.code


def _note(text: str) -> None:
    """Write a line of our own on stderr, with control characters made visible: paths and names come from others.

    Where stderr is full, closed or a broken pipe the line is lost, and nothing else: the command is what counts.
    """
    safe = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
    try:
        os.write(2, f"{safe}\n".encode(errors="backslashreplace"))
    except OSError:
        pass
