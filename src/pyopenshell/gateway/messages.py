"""Sandboxes as clients see them: ``openshell.v1.Sandbox``."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from openshell._proto import openshell_pb2

from pyopenshell.gateway import asked, limits
from pyopenshell.gateway.wanting import spec_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from google.protobuf.message import Message
    from google.protobuf.timestamp_pb2 import Timestamp

    from pyopenshell.gateway.store import Sandbox

T = TypeVar("T", bound="Message")

UNUSED = "Unused"
"""The condition that says what was asked for and has no effect here."""


def sandbox(row: Sandbox, fingerprint: str = "") -> openshell_pb2.Sandbox:
    """Return the message for a sandbox. ``fingerprint`` is that of the host key it is reached with by SSH."""
    spec = spec_of(row)
    message = openshell_pb2.Sandbox(spec=spec, host_key_fingerprint=fingerprint)
    meta = message.metadata
    meta.id, meta.name, meta.workspace, meta.resource_version = row.id, row.name, row.workspace, row.resource_version
    moment(meta.created_time, row.created)
    meta.labels.update(row.labels)
    meta.annotations.update(row.annotations)
    status = message.status
    status.phase = getattr(openshell_pb2, f"SANDBOX_PHASE_{row.phase}")
    status.current_policy_version = row.policy_version
    status.restart_count = row.restarts
    if row.exit_code is not None:
        status.exit_code = row.exit_code
    if row.main_started is not None:
        moment(status.main_process_started_time, row.main_started)
    if row.run_id:
        status.main_process_instance_id = row.run_id
    _conditions(status, row, spec)
    return message


def _conditions(status: openshell_pb2.SandboxStatus, row: Sandbox, spec: openshell_pb2.SandboxSpec) -> None:
    ready = row.phase in ("READY", "COMPLETED")
    status.conditions.add(
        type="Ready", status=str(ready), reason=row.reason or row.phase.capitalize(), message=row.message
    )
    unused = "; ".join(asked.unused(spec))
    if unused:
        status.conditions.add(type=UNUSED, status="True", reason="NotSupported", message=unused)


def fitting(entries: Iterable[T]) -> list[T]:
    """Return as many of the entries of a page as one answer holds, but for the first, which comes whatever its size."""
    found: list[T] = []
    room = limits.PAGE_BYTES
    for entry in entries:
        room -= entry.ByteSize()
        if room < 0 and found:
            break
        found.append(entry)
    return found


def moment(field: Timestamp, milliseconds: int) -> None:
    """Set a point in time, given in milliseconds since 1970."""
    field.FromMilliseconds(milliseconds)
