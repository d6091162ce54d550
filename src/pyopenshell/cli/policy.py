"""``openshell policy``: what a sandbox may do, and policy files."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from pyopenshell.cli import output, records, remote
from pyopenshell.errors import StateError, UsageError

if TYPE_CHECKING:
    import argparse
    from typing import Any

    from pyopenshell.policy.model import Policy
    from pyopenshell.runs import RunView


def get(arguments: argparse.Namespace) -> int:
    """Print the policy of a sandbox: as stored, or with everything in force behind it."""
    from pyopenshell.cli import policy_remote

    if arguments.everywhere:
        return policy_remote.get_global(arguments)
    arguments.name = remote.sandbox(arguments.name)
    return remote.either(arguments, lambda there: policy_remote.get(there, arguments), lambda: _recorded(arguments))


def _recorded(arguments: argparse.Namespace) -> int:
    """Print what a run's record has; it has one revision."""
    from pyopenshell import runs

    if arguments.rev:
        raise UsageError("--rev: only a gateway keeps revisions", hint="-g NAME says which")
    view = runs.find(arguments.name)
    if arguments.full:
        _full(view, arguments.output)
    elif arguments.output != "table":
        output.document(_stored(view), arguments.output)
    else:
        records.stored(view)
        if not arguments.base:
            output.line()
            output.line(f"# What the runtime adds is shown by: openshell policy get {view.name} --full")
    return 0


def _full(view: RunView, form: str) -> None:
    from pyopenshell.runs import told

    shape = told.effective(view)
    if shape is None:
        raise StateError(
            f"sandbox {view.name} has no effective policy: its launch did not get that far",
            hint=f"openshell sandbox inspect {view.name} shows what there is",
        )
    if form != "table":
        output.document(shape, form)
        return
    from pyopenshell.cli import effective_view

    output.title(f"Policy of {view.name}, as written", first=True)
    records.stored(view)
    effective_view.show(shape)


def _stored(view: RunView) -> dict[str, Any]:
    """Return the shape of ``policy get -o json``, in which a record has no revisions."""
    from pyopenshell.cli.policy_remote import STORED

    return dict.fromkeys(STORED) | {"sandbox": view.name, "policy": _parsed(view).declared}


def _parsed(view: RunView) -> Policy:
    from pyopenshell.policy import load

    return load.parse(records.policy_bytes(view), f"{view.path}/policy.yaml")


def default(_arguments: argparse.Namespace) -> int:
    """Print the built-in default policy."""
    from pyopenshell.policy import load

    sys.stdout.write(load.default().source.text)
    return 0


def validate(arguments: argparse.Namespace) -> int:
    """Check a policy file. Raises PolicyError with every mistake."""
    from pyopenshell.policy import load
    from pyopenshell.policy.model import MAX_FILE_SIZE

    if arguments.file == "-":
        with open(0, "rb", closefd=False) as stdin:
            policy = load.parse(stdin.read(MAX_FILE_SIZE + 1), "-")
    else:
        policy = load.load(arguments.file)
    contributors = _contributors(policy)
    if arguments.output != "table":
        shape = {"valid": True, "file": arguments.file, "declared": policy.declared}
        output.document(shape | ({"contributors": contributors} if contributors else {}), arguments.output)
        return 0
    files = policy.filesystem
    parts = [
        *(["the working directory"] if files.include_workdir else []),
        _counted(len(files.read_only), "read-only path"),
        _counted(len(files.read_write), "read-write path"),
        _counted(len(policy.network), "network policy", "network policies"),
        policy.compatibility,
    ]
    output.line(f"{arguments.file}: valid: {', '.join(parts)}")
    for one in contributors:
        installed = f"contributor {one['name']} is {one['distribution']} {one['version']} ({one['entry_point']})"
        output.line(f"{arguments.file}:{one['line']}: {one['problem'] or installed}")
        if one["hint"]:
            output.line(f"  hint: {one['hint']}")
    return 0


def _contributors(policy: Policy) -> list[dict[str, Any]]:
    """Return what is installed here under each name: that is no mistake of the file, so it is told and no more."""
    if not policy.contributors:
        return []
    from pyopenshell.errors import ContributorError
    from pyopenshell.launch.contributing import look_up

    told: list[dict[str, Any]] = []
    for named, found in zip(policy.contributors, look_up(policy), strict=True):
        one: dict[str, Any] = {"name": named.name, "line": named.line}
        one |= dict.fromkeys(("distribution", "version", "entry_point", "problem", "hint"))
        if isinstance(found, ContributorError):
            one |= {"problem": found.message, "hint": found.hint}
        else:
            one |= {key: getattr(found, key) for key in ("distribution", "version", "entry_point")}
        told.append(one)
    return told


def _counted(number: int, one: str, many: str | None = None) -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


def schema(_arguments: argparse.Namespace) -> int:
    """Print the JSON Schema of policy files, as it is shipped."""
    from pyopenshell.policy.schema import text

    sys.stdout.write(text())
    return 0


VERBS = {"get": get, "default": default, "validate": validate, "schema": schema}
