"""Control groups: what limits of CPU, memory and processes could rest on, and the rules about devices in force."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyopenshell.cli.doctor.codes import Check, check
from pyopenshell.devices import cgroups

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyopenshell.cli.doctor.roots import Roots

NO_LIMITS = "sandboxes work without; limits of CPU and memory are then the caller's to set"
SCOPE = ("systemd-run --user --scope -p Delegate=yes openshell run -- COMMAND",)
"""How an ordinary user gets a cgroup of its own (systemd.resource-control(5))."""
RULES_SHOWN = 6


def checks(roots: Roots) -> Iterator[Check]:
    """Check what this process is in."""
    found = cgroups.read(roots.proc)
    if found.version == "none":
        yield check("cgroup.none", "cgroup", "no cgroup file system is mounted", NO_LIMITS)
        return
    where = f"{found.version}, this process is in {found.path}"
    missing = [name for name in cgroups.LIMITS if name not in found.controllers]
    closed = [name for name in found.controllers if name not in found.writable]
    if found.version == "v2" and not found.controllers:
        closed = missing
    if missing:
        hint = f"a manager above must pass them on (cgroup.subtree_control), or the kernel lacks them; {NO_LIMITS}"
        yield check("cgroup.no-controllers", "cgroup", f"{where}; without {', '.join(missing)}", hint)
    if closed:
        by = "its file system is read-only" if found.mounted_read_only else "this user may not write there"
        steps = SCOPE if found.version == "v2" and not found.mounted_read_only else ()
        hint = f"{NO_LIMITS}; under systemd a scope can be delegated to a user" if steps else NO_LIMITS
        yield check("cgroup.not-writable", "cgroup", f"{where}; {by}: {', '.join(closed)}", hint, steps)
    if not missing and not closed:
        yield check("cgroup.ok", "cgroup", f"{where}; {', '.join(found.writable)} can be handed on")
    rules = found.device_rules
    if rules and cgroups.UNLIMITED not in rules:
        rules = tuple(rule for rule in rules if {"r", "w"} & {*rule.rpartition(" ")[2]})  # to make nodes opens none
        more = f" and {len(rules) - RULES_SHOWN} more" if len(rules) > RULES_SHOWN else ""
        yield check(
            "cgroup.devices", "device cgroup", f"opens only {', '.join(rules[:RULES_SHOWN]) or 'nothing'}{more}"
        )
