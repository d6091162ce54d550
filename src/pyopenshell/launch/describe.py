"""A launch plan in words: the numbered steps as they would be done. Shown by ``openshell run --explain``."""

from __future__ import annotations

from pyopenshell.landlock.downgrade import names
from pyopenshell.launch.plan import STEPS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyopenshell.launch.plan import Plan


def describe(plan: Plan) -> list[str]:
    """Return one line for each step, in order."""
    made = [name for name, wanted in plan.namespaces.items() if wanted]
    fs, net, scoped = plan.handled
    rights = len(names(fs)) + len(names(net, "net")) + len(names(scoped, "scope"))
    words = {
        "descriptors": "close every descriptor but 0, 1 and 2",
        "session": "start a session of its own, away from this terminal",
        "namespaces": f"unshare {', '.join(made)}" if made else "none: this host allows none",
        "fork init": "fork the sandbox's first process"
        + (" (pid 1)" if plan.namespaces["pid"] else "")
        + ("; its parent becomes the broker of CUDA's thread names" if plan.broker else ""),
        "preparation": _joined("create ", [path for _grant, path in plan.create], "nothing to create"),
        "mounts": _mounts(plan),
        "terminal": "a terminal of its own, relayed" if plan.terminal else "none: standard streams are not a terminal",
        "path descriptors": f"open the paths of {len(plan.rules)} rules",
        "identity": f"uid {plan.uid}, gid {plan.gid}, groups {list(plan.groups)}, no capabilities"
        + ("" if plan.change_identity else " (the caller's own)"),
        "working directory": plan.workload.workdir,
        "no_new_privs": "set",
        "landlock": f"handle {rights} rights, add {len(plan.rules)} rules{_log(plan)}"
        if plan.confined
        else "NOT ENFORCED",
        "seccomp": f"install the syscall filter ({len(plan.filter) // 8} instructions)"
        + ("; the broker gets its listener" if plan.broker else ""),
        "canary": f"{plan.canary[0]} {plan.canary[1]}, which must fail" if plan.confined else "not tried",
        "receipt": "report every rule, and wait for the supervisor's own checks",
        "go": "only after receipt and record are written",
        "exec": f"{plan.workload.executable} ({len(plan.workload.argv) - 1} arguments)",
    }
    return [f"{number:2} {name}: {words[name]}" for number, name in enumerate(STEPS, 1)]


def _log(plan: Plan) -> str:
    """Say what the kernel is told about logging."""
    if not plan.log:
        return ""
    return f"; logging: {', '.join(plan.log)}{_joined(', none at ', list(plan.quiet), '')}"


def _mounts(plan: Plan) -> str:
    """Say what the sandbox's view of the host's files will be."""
    if not plan.namespaces["mount"]:
        return f"none; private folder {plan.private['root']}"
    bound = [real if writable else f"{real} (read-only)" for _written, real, writable in plan.bind]
    parts = [
        "the host read-only but for grants",
        f"empty {' '.join(plan.private['hide'])}",
        "private /dev/pts",
        _joined("bind back ", bound, ""),
        _joined("show ", [f"{source} at {target}" for _grant, source, target, _attributes in plan.bound], ""),
        f"hide {' '.join(plan.mask)}" if plan.mask else "",
    ]
    return "; ".join(part for part in parts if part)


def _joined(prefix: str, items: list[str], otherwise: str) -> str:
    return prefix + ", ".join(items) if items else otherwise
