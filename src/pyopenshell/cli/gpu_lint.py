"""``openshell gpu lint``: what is wrong with CDI specs, where, and what mends it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pyopenshell.cli import output
from pyopenshell.errors import OpenShellError, UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from typing import Any

    from pyopenshell.devices.cdi.fault import Fault
    from pyopenshell.devices.cdi.lint import Report
    from pyopenshell.devices.cdi.read import Reading

HOST = "this host"
"""The heading of faults that are no file's."""
STANDARD_INPUT = "standard input"
"""What ``-`` is for people."""


def lint(arguments: argparse.Namespace) -> int:
    """Print every fault of the specs. Returns 0 where none is an error, else 1."""
    from pyopenshell.devices import inventory
    from pyopenshell.devices.cdi import lint as linter
    from pyopenshell.devices.cdi import registry

    if arguments.paths and arguments.cdi_spec_dirs:
        raise UsageError("paths and --cdi-spec-dir do not go together", hint="a PATH may be a folder of specs")
    folders = registry.folders(arguments.cdi_spec_dirs, os.environ)
    here = inventory.read(nvml=False)
    given = arguments.paths
    report = linter.paths(given, here, _stdin, folders) if given else linter.folders(folders, here)
    if arguments.output == "table":
        _show(report)
    else:
        output.document(_document(report), arguments.output)
    return 1 if report.errors else 0


def _stdin() -> bytes:
    """Return standard input, no more than a byte above what is read of a spec."""
    from pyopenshell.devices.cdi.files import MAX_SIZE

    try:
        with open(0, "rb", closefd=False) as stdin:
            return stdin.read(MAX_SIZE + 1)
    except OSError as error:
        hint = "pipe a spec into it, as nvidia-ctk cdi generate prints one"
        raise OpenShellError(f"{STANDARD_INPUT}: {error.strerror}", hint=hint, code="cdi.no-such-path") from error


def _document(report: Report) -> dict[str, Any]:
    """Return the report as data."""
    return {
        "schema": "pyopenshell.gpu-lint/1",
        "clean": not report.errors,
        "errors": report.errors,
        "warnings": len(report.faults) - report.errors,
        "gpu": report.gpu,
        "driver": report.driver,
        "folders": [folder.as_dict() for folder in report.folders],
        "specs": [_summary(reading) for reading in report.readings],
        "faults": [fault.as_dict() for fault in report.faults],
    }


def _summary(reading: Reading) -> dict[str, Any]:
    """Return a spec in short, null for what a file that cannot be used does not tell."""
    spec = reading.spec
    return {
        "file": reading.file,
        "used": spec is not None,
        "kind": spec and spec.kind,
        "version": spec and spec.version,
        "devices": len(spec.devices) if spec else None,
    }


def _show(report: Report) -> None:
    """Print the specs, then the faults of each file, then how many there are."""
    if not report.readings and not report.faults:
        looked = " or ".join(folder.path for folder in report.folders)
        output.line(f"No CDI spec is in {looked}, and no GPU on this host: nothing to check.")
        return
    grouped: dict[str | None, list[Fault]] = {}
    for fault in report.faults:
        grouped.setdefault(fault.file, []).append(fault)
    if report.readings:
        rows = [_row(reading, grouped.get(reading.file, ())) for reading in report.readings]
        output.table(("result", "version", "kind", "devices", "spec"), rows)
    first = not report.readings
    for file, faults in grouped.items():
        output.title(_called(file), first=first)
        first = False
        cells = [
            (_place(fault), fault.severity, fault.code, f"{fault.message}. Mend: {fault.mend}") for fault in faults
        ]
        output.table(("line", "severity", "code", "fault"), cells, indent=2)
    output.line()
    output.line(_counts(report))


def _row(reading: Reading, faults: Sequence[Fault]) -> tuple[str, ...]:
    from pyopenshell.devices.cdi.fault import ERROR

    spec = reading.spec
    result = "fail" if any(fault.severity == ERROR for fault in faults) else "warn" if faults else "ok"
    if spec is None:
        return result, "-", "-", "-", _called(reading.file)
    return result, spec.version, spec.kind, str(len(spec.devices)), _called(reading.file)


def _called(file: str | None) -> str:
    """Return what a file is called in a heading."""
    from pyopenshell.devices.cdi.codes import STDIN

    return HOST if file is None else STANDARD_INPUT if file == STDIN else file


def _place(fault: Fault) -> str:
    """Return line and column, as far as they are known."""
    if fault.line is None:
        return "-"
    return f"{fault.line}:{fault.column}" if fault.column else str(fault.line)


def _counts(report: Report) -> str:
    warnings = len(report.faults) - report.errors
    if not report.faults:
        return "No faults."
    return f"{_counted(report.errors, 'error')}, {_counted(warnings, 'warning')}."


def _counted(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


VERBS = {"lint": lint}
