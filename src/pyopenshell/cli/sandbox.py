"""``openshell sandbox``: the sandboxes there are and were, through a gateway or by the records of this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyopenshell import runs
from pyopenshell.cli import output, records, remote
from pyopenshell.errors import NameInUse, OpenShellError, StateError, UsageError
from pyopenshell.runs import told

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable
    from typing import Any

    from pyopenshell.runs import RunView


def _either(verb: str, here: Callable[[argparse.Namespace], int]) -> Callable[[argparse.Namespace], int]:
    """Return a verb that asks the gateway, by ``sandbox_remote``'s function of its name, or the records ``here``."""

    def serve(arguments: argparse.Namespace) -> int:
        from pyopenshell.cli import sandbox_remote

        through = getattr(sandbox_remote, verb)
        return remote.either(arguments, lambda there: int(through(there, arguments)), lambda: here(arguments))

    return serve


def list_(arguments: argparse.Namespace) -> int:
    """Print one row for each run, the newest first."""
    if arguments.selector:
        raise UsageError("sandbox list: only a gateway keeps labels", hint="-g NAME says which")
    views = runs.list_runs()[arguments.offset :][: arguments.limit]
    rows = [told.summary(view) for view in views]
    if arguments.ids or arguments.names:
        shown = [row["id"] for row in rows] if arguments.ids else list(dict.fromkeys(row["name"] for row in rows))
        for text in shown:
            output.line(text)
    elif arguments.output != "table":
        output.document(rows, arguments.output)
    elif rows:
        output.table(("name", "state", "exit", "started (UTC)", "id", "command"), [_row(row) for row in rows])
    elif arguments.offset:
        output.line("no sandboxes fit")
    elif arguments.limit != 0:
        output.line("no sandboxes yet: openshell run -- COMMAND makes one")
    return 0


def _row(summary: dict[str, Any]) -> list[str]:
    code = "-" if summary["exit_code"] is None else str(summary["exit_code"])
    when = summary["started"][:16].replace("T", " ")
    return [summary["name"], summary["state"], code, when, summary["id"], records.command(summary["command"])]


def get(arguments: argparse.Namespace) -> int:
    """Print a sandbox in short, or only its policy."""
    view = runs.find(arguments.name)
    if arguments.policy_only:
        records.stored(view)
        return 0
    summary = told.summary(view)
    if arguments.output != "table":
        output.document(summary, arguments.output)
    else:
        from pyopenshell.cli.effective_view import fields

        fields(*((key, records.command(value) if key == "command" else str(value)) for key, value in summary.items()))
    return 0


def inspect(arguments: argparse.Namespace) -> int:
    """Print all that is known about a sandbox."""
    view = runs.find(arguments.name)
    shape = told.inspection(view)
    if arguments.output != "table":
        output.document(shape, arguments.output)
    else:
        from pyopenshell.cli import inspect_view

        inspect_view.show(shape, view.path)
    return 0


def verify(arguments: argparse.Namespace) -> int:
    """Try inside a sandbox that runs what its report says, and print expected beside observed. 1: they differ."""
    from pyopenshell.verify import perform
    from pyopenshell.verify.note import note

    view = runs.find(arguments.name)
    verification = perform.live(view)
    try:
        note(view, verification)
    except StateError as problem:  # a full disk: what was found counts all the same
        output.error(problem)
    if arguments.output != "table":
        output.document(verification.as_dict(), arguments.output)
    else:
        from pyopenshell.cli import verify_view

        verify_view.show(verification)
    if verification.drift:
        return 1
    verification.check()
    return 0


def delete(arguments: argparse.Namespace) -> int:
    """Remove sandboxes. One that cannot be removed does not keep the others; the last failure gives the exit code.

    What this machine's own gateway does not know, or only shows, is looked for among the records.
    """
    if bool(arguments.names) == arguments.all:
        raise UsageError("sandbox delete: name sandboxes, or --all", hint="openshell sandbox list shows their names")
    gateway = remote.configured(arguments)
    if gateway is None:
        return _report(_delete_records(_all() if arguments.all else arguments.names, everything=arguments.all))
    from pyopenshell.cli import sandbox_remote

    with remote.Remote(gateway, remote.workspace(arguments)) as there:
        unknown, failures = sandbox_remote.delete(there, arguments)
    if not remote.is_own(gateway):
        failures += [remote.unknown(name, there) for name in unknown]
    else:
        failures += _delete_records(_all() if arguments.all else unknown, everything=arguments.all)
    return _report(failures)


def _all() -> list[str]:
    """Return the ids of all runs but those of a gateway's sandboxes, which a stopped one needs again."""
    return [view.id for view in runs.list_runs() if not _is_kept(view)]


def _is_kept(view: RunView) -> bool:
    try:
        return "sandbox_id" in view.meta()
    except StateError:
        return False


def _delete_records(names: Iterable[str], *, everything: bool) -> list[OpenShellError]:
    failures: list[OpenShellError] = []
    for name in names:
        try:
            if _is_kept(runs.find(name)):
                raise NameInUse(
                    f"sandbox {name} is a gateway's: its record is not removed alone",
                    hint="openshell gateway start, then openshell sandbox delete, with its --workspace",
                    code="sandbox.kept",
                )
            removed = runs.delete(name)
        except NameInUse as problem:
            if not everything:  # --all means those that ended
                failures.append(problem)
        except OpenShellError as problem:
            failures.append(problem)
        else:
            output.line(f"deleted {name}" + (f" ({len(removed)} runs)" if len(removed) > 1 else ""))
    return failures


def _report(failures: list[OpenShellError]) -> int:
    for failure in failures[:-1]:
        output.error(failure)
    if failures:
        raise failures[-1]
    return 0


VERBS = {
    "list": _either("list_", list_),
    "get": _either("get", get),
    "inspect": _either("inspect", inspect),
    "verify": _either("verify", verify),
    "delete": delete,
}
