"""Becoming the sandbox's identity: what init does, and the broker beside it."""

from __future__ import annotations

import os
import resource
import stat

from pyopenshell.kernel import process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def become(plan: dict[str, Any]) -> None:
    """Change to the plan's identity for good, without privileges or core dumps. Raises OSError."""
    for kind, limit in plan.get("limits", ()):  # to a nursery, whose bounding set is empty, who asks may have others
        resource.setrlimit(kind, limit)
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    if plan["change_identity"]:
        for fd in (0, 1, 2):
            # Root's pipes are root's alone (0600): a program could use them, but not open /dev/stderr.
            if stat.S_ISFIFO(os.fstat(fd).st_mode) and os.fstat(fd).st_uid == os.geteuid():
                os.fchown(fd, plan["uid"], plan["gid"])
        if "limits" not in plan and process.has_capability(process.CAP_SETPCAP):
            process.drop_bounding_set()  # afterwards the capability to do so is gone
        process.set_ids(plan["uid"], plan["gid"], plan["groups"])
    process.drop_capabilities()
    os.umask(0o022)
