"""What all audit events share: the OCSF attributes of every class, and who asked. Used by ``translate`` only."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyopenshell.audit.context import Context
    from pyopenshell.effective.model import Effective

OCSF_VERSION = "1.8.0"
PROFILES = ("host", "security_control")
"""They bring ``device`` and ``actor``; ``policy``, ``action_id``, ``disposition_id`` and ``is_alert``."""
NUMBERED = "container"
"""The profile that brings ``namespace_pid``, to events that have one."""
SEVERITIES = {"Informational": 1, "Low": 2, "Medium": 3, "High": 4, "Critical": 5}
CLASSES = {
    1001: ("File System Activity", 1, "System Activity", {14: "Open"}),
    1007: ("Process Activity", 1, "System Activity", {1: "Launch", 2: "Terminate"}),
    2004: ("Detection Finding", 2, "Findings", {1: "Create"}),
    5019: ("Device Config State Change", 5, "Discovery", {1: "Log"}),
    6002: ("Application Lifecycle", 6, "Application Activity", {3: "Start", 4: "Stop"}),
}


def build(
    class_uid: int,
    activity: int,
    context: Context,
    *,
    code: str,
    severity: str,
    message: str,
    unmapped: dict[str, Any],
) -> dict[str, Any]:
    """Return what all classes share. ``metadata.event_code`` is our stable name for the event."""
    class_name, category, category_name, activities = CLASSES[class_uid]
    return {
        "class_uid": class_uid,
        "class_name": class_name,
        "category_uid": category,
        "category_name": category_name,
        "activity_id": activity,
        "activity_name": activities[activity],
        "type_uid": class_uid * 100 + activity,
        "type_name": f"{class_name}: {activities[activity]}",
        "severity_id": SEVERITIES[severity],
        "severity": severity,
        "time": context.time,
        "message": message,
        "metadata": {
            "version": OCSF_VERSION,
            "profiles": list(PROFILES),
            "product": {"name": "openshell", "uid": "pyopenshell", "version": context.version},
            "event_code": code,
            "correlation_uid": context.run_id,
        },
        "device": {
            "hostname": context.hostname,
            "type_id": 0,
            "type": "Unknown",
            "os": {"name": "Linux", "type_id": 200, "type": "Linux", "kernel_release": context.release},
        },
        "unmapped": {"sandbox": context.sandbox, "run_id": context.run_id, **unmapped},
    }


def actor(context: Context) -> dict[str, Any]:
    """Return who asked for the sandbox."""
    return {
        "app_name": "openshell",
        "user": {"name": context.user, "uid": str(context.uid)},
        "process": {"pid": context.pid},
    }


def policy(effective: Effective) -> dict[str, Any]:
    """Return the policy that applies."""
    return {"name": effective.file or "policy without a file", "uid": effective.source_sha256, "is_applied": True}
