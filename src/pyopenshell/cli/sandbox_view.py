"""A sandbox as a gateway tells it, in the words and shapes that the records of this machine are shown in."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from pyopenshell.cli import records
from pyopenshell.cli.run_options import ALL_GPUS

if TYPE_CHECKING:
    from typing import Any

    from openshell._proto.openshell_pb2 import Sandbox


def phase(sandbox: Sandbox) -> str:
    """Return the phase as one word: ``Ready``."""
    from openshell._proto import openshell_pb2

    number = sandbox.status.phase
    known = openshell_pb2.SandboxPhase.DESCRIPTOR.values_by_number
    return known[number].name.removeprefix("SANDBOX_PHASE_").capitalize() if number in known else f"Phase{number}"


def message(sandbox: Sandbox) -> str | None:
    """Return what the gateway says about the state it is in, where it says something."""
    told = [condition.message for condition in sandbox.status.conditions if condition.message]
    return told[-1] if told else None


def moment(stamp: Any) -> str | None:
    """Return a protocol's time as the records have it: ``2026-01-31T12:00:00Z``; None where there is none."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(stamp.seconds)) if stamp.seconds else None


def summary(sandbox: Sandbox) -> dict[str, Any]:
    """Return what is printed: first what the records of this machine have too, then what only a gateway knows."""
    meta, spec, status = sandbox.metadata, sandbox.spec, sandbox.status
    return {
        "name": meta.name,
        "id": meta.id,
        "state": phase(sandbox).lower(),
        "exit_code": status.exit_code if status.HasField("exit_code") else None,
        "started": moment(status.main_process_started_time) or moment(meta.created_time),
        "command": list(spec.command),
        "phase": phase(sandbox),
        "message": message(sandbox),
        "workspace": meta.workspace or "default",
        "created": moment(meta.created_time),
        "labels": dict(sorted(meta.labels.items())),
        "annotations": dict(sorted(meta.annotations.items())),
        "policy_revision": status.current_policy_version or None,
        "gpu": _gpu(sandbox),
        "tty": spec.tty,
        "environment": sorted(spec.environment),
        "providers": list(spec.providers),
        "restarts": status.restart_count,
        "resource_version": meta.resource_version,
    }


def _gpu(sandbox: Sandbox) -> int | None:
    wanted = sandbox.spec.resource_requirements
    if not wanted.HasField("gpu"):
        return None
    return wanted.gpu.count if wanted.gpu.HasField("count") else ALL_GPUS


def row(shape: dict[str, Any]) -> list[str]:
    """Return a row of ``sandbox list``: name, when it was made, phase, exit code, policy revision, command."""
    created = (shape["created"] or "- -").replace("T", " ").removesuffix("Z")
    code = "-" if shape["exit_code"] is None else str(shape["exit_code"])
    command = records.command(shape["command"]) if shape["command"] else "-"
    return [shape["name"], created, shape["phase"], code, shape["id"], command]


COLUMNS = ("name", "created (UTC)", "phase", "exit", "id", "command")


def lines(shape: dict[str, Any]) -> list[tuple[str, str]]:
    """Return a sandbox's summary as names and values, without what says nothing."""
    said = ((key, value) for key, value in shape.items() if value is not None and value is not False)
    return [(key, _text(key, value)) for key, value in said if value not in ([], {}, "")]


def _text(key: str, value: Any) -> str:
    if key == "command":
        return records.command(value)
    if key == "gpu" and value == ALL_GPUS:
        return "all"
    if isinstance(value, dict):
        return ", ".join(f"{name}={one}" for name, one in value.items())
    return ", ".join(value) if isinstance(value, list) else str(value)
