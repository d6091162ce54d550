"""Two effective policies compared: what may a sandbox under one do that it may not under the other? Pure.

Works on loaded models (``effective.saved`` reads them), whose digests were checked: there is one reader of the shape.

Not a difference: names, ids, times, where the policy's file is and on which line of it something stands, the wording
of reasons, the ABI as a number. A right that one kernel does not handle is told once, not again with every grant that
asked for it; a finding that only repeats another row is not told (REPEATED).
"""

from __future__ import annotations

from pyopenshell.effective.diff_grants import grants, is_thread_name, neutral
from pyopenshell.effective.diff_syscalls import syscalls
from pyopenshell.effective.difference import LOOSER, OTHER, TIGHTER, Difference, changed, judge
from pyopenshell.effective.model import SEVERITIES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from pyopenshell.effective.devices import Devices
    from pyopenshell.effective.model import Effective, Finding

ORDER = (LOOSER, TIGHTER, OTHER)
KINDS = (
    "landlock",
    "right",
    "isolation",
    "network",
    "thread-names",
    "grant",
    "devices",
    "limit",
    "contributor",
    "syscalls",
    "identity",
    "finding",
    "compatibility",
    "log",
    "declared",
    "plan",
)
"""What can differ, what matters most first."""
THREAD_NAMES = ("none", "broker", "landlock")
"""What opens CUDA's thread names, the narrowest first."""
OPENS = {
    "broker": "a process's own thread names, and nothing else of procfs",
    "landlock": "a rule for /proc, which opens other files of procfs for writing as well",
}
NETWORK = ("_tcp", "_udp")
"""How the rights end that are wanted only without a network namespace."""
MODES = ("none", "proxy", "host")
REPEATED = (
    "landlock.right-",
    "landlock.log-",
    "landlock.quiet-",
    "isolation.",
    "cuda.thread-names.broker",
    "cuda.thread-names.write-file",
    "network.denied",
    "outcome.limit",
)
"""How the codes of findings begin that say what a difference of another kind says."""
NO_LANDLOCK = "Without Landlock no path is closed, and no grant means anything."


def compare(a: Effective, b: Effective) -> tuple[Difference, ...]:
    """Return every difference, first what is looser in ``b``, then what is tighter, then what is neither or unknown."""
    found = [
        *_landlock(a, b),
        *_isolation(a, b),
        *_network(a, b),
        *_thread_names(a, b),
        *grants(a, b),
        *_devices(a, b),
        *_limits(a, b),
        *_contributors(a, b),
        *syscalls(a.seccomp, b.seccomp, a.landlock.handled, b.landlock.handled),
        *_identity(a, b),
        *_findings(a, b),
        *_declared(a, b),
        *_plan(a, b),
    ]
    return tuple(sorted(found, key=_weight))


def _weight(one: Difference) -> tuple[int, int, int, str]:
    values = one.b or one.a or {}
    severity = values.get("severity")
    grave = SEVERITIES.index(severity) if one.kind == "finding" and severity in SEVERITIES else 0
    return ORDER.index(one.direction), KINDS.index(one.kind), -grave, one.subject


def _landlock(a: Effective, b: Effective) -> Iterator[Difference]:
    """Compare what Landlock handles: right by right, or at once where one side is without it."""
    yield from changed("compatibility", "landlock", [{"compatibility": side.landlock.compatibility} for side in (a, b)])
    logs = [side.landlock.as_dict().get("log") for side in (a, b)]
    if None not in logs:  # older records do not tell
        yield from changed("log", "kernel log", logs)
    if bool(a.landlock.abi) != bool(b.landlock.abi):
        shapes = [{"abi": side.landlock.abi} for side in (a, b)]
        yield from changed("landlock", "Landlock", shapes, TIGHTER if b.landlock.abi else LOOSER, NO_LANDLOCK)
        return
    names = [
        *a.landlock.handled,
        *b.landlock.handled,
        *(gap.right for side in (a, b) for gap in side.landlock.dropped),
    ]
    for name in dict.fromkeys(names):
        one, other = _right(a, name), _right(b, name)
        if not one["state"] == other["state"] == "missing":
            direction = _rights_direction(name, one["state"], other["state"])
            yield from changed("right", name, (one, other), direction)


def _right(side: Effective, name: str) -> dict[str, str]:
    """Return the state and why: ``handled``, ``covered`` by something else, ``missing``, ``not asked for``.

    ``unknown`` is what a record says of a right that its version did not know.
    """
    landlock = side.landlock
    if name in landlock.handled:
        return {"state": "handled"}
    gap = next((gap for gap in landlock.dropped if gap.right == name), None)
    if gap is None and not name.endswith(NETWORK):
        return {"state": "unknown"}
    if gap is None:  # a network namespace closes more
        net = side.isolation.get("net")
        closed = net is not None and net.state != "open"
        return {"state": "not asked for", "by": net.mechanism} if net and closed else {"state": "missing"}
    if gap.covered_by:
        return {"state": "covered", "by": gap.covered_by}
    return {"state": "missing", "message": gap.consequence}


def _rights_direction(name: str, a: str, b: str) -> str:
    if name == "refer":  # below ABI 2 Landlock denies what the right would allow
        return judge(won=b == "handled", lost=a == "handled")
    known = "unknown" not in (a, b)
    return judge(won=known and b == "missing", lost=known and a == "missing")


def _isolation(a: Effective, b: Effective) -> Iterator[Difference]:
    for kind in dict.fromkeys((*a.isolation, *b.isolation)):
        one, other = a.isolation.get(kind), b.isolation.get(kind)
        was_open, is_open = ((side is not None and side.state == "open") for side in (one, other))
        known = one is not None and other is not None
        direction = judge(won=is_open and known, lost=was_open and known)
        yield from changed(
            "isolation", kind, (_kept(a, kind, tell=not is_open), _kept(b, kind, tell=not was_open)), direction
        )


def _kept(side: Effective, kind: str, *, tell: bool) -> dict[str, str] | None:
    """Return how a resource is kept apart; with ``tell`` also what the finding says about one that is open.

    It is not told where both are open: it lists what could be reached just then.
    """
    entry = side.isolation.get(kind)
    if entry is None:
        return None
    code = f"isolation.{kind.replace('_', '-')}-open"
    messages = [found.message for found in side.findings if found.code == code and tell]
    return {**entry.as_dict(), **({"message": messages[0]} if messages else {})}


def _network(a: Effective, b: Effective) -> Iterator[Difference]:
    """Compare mode and entries; the mechanism only where isolation does not tell it already."""
    shapes: list[dict[str, Any]] = [{"mode": side.network.mode} for side in (a, b)]
    if a.isolation.get("net") == b.isolation.get("net"):
        shapes = [{**shape, "by": side.network.mechanism} for shape, side in zip(shapes, (a, b), strict=True)]
    known = a.network.mode in MODES and b.network.mode in MODES
    one, other = (MODES.index(side.network.mode) if known else 0 for side in (a, b))
    yield from changed("network", "mode", shapes, judge(won=other > one, lost=one > other))
    entries = [{(entry.name, entry.endpoint): entry.status for entry in side.network.entries} for side in (a, b)]
    for key in dict.fromkeys((*entries[0], *entries[1])):
        before, after = (side.get(key) for side in entries)
        won, lost = (status not in (None, "skipped") for status in (after, before))
        sides = [{"status": status} if status else None for status in (before, after)]
        yield from changed("network", " ".join(part for part in key if part), sides, judge(won=won, lost=lost))


def _thread_names(a: Effective, b: Effective) -> Iterator[Difference]:
    """Compare what opens CUDA's thread names; the grants behind it are not told again."""
    shapes = [_opener(side) for side in (a, b)]
    ranks = [THREAD_NAMES.index(shape["by"]) if shape["by"] in THREAD_NAMES else -1 for shape in shapes]
    known = -1 not in ranks
    direction = judge(won=known and ranks[1] > ranks[0], lost=known and ranks[0] > ranks[1])
    yield from changed("thread-names", "CUDA", shapes, direction)


def _opener(side: Effective) -> dict[str, str]:
    given = [grant for grant in side.grants if is_thread_name(grant) and grant.status != "skipped"]
    openers = sorted({grant.mechanism for grant in given}, key=lambda name: (name == "landlock", name))
    if not openers:
        return {"by": "none"}
    outer = [grant.detail.message for grant in given if grant.mechanism == openers[-1] and grant.detail.message]
    message = OPENS.get(openers[-1], "") if not outer else outer[0]
    what = "; ".join(sorted(f"{grant.path} {' '.join(grant.access)}" for grant in given))
    return {"by": openers[-1], "grants": what, **({"message": message} if message else {})}


def _identity(a: Effective, b: Effective) -> Iterator[Difference]:
    """Compare whom the sandbox runs as. A dynamic id is made from the sandbox's name, so its number means nothing."""
    one, other = a.identity, b.identity
    dynamic = one.source == other.source == "dynamic"
    shapes: list[dict[str, Any]] = [
        {"source": who.source} | ({} if dynamic else {"uid": who.uid, "gid": who.gid}) | {"groups": sorted(who.groups)}
        for who in (one, other)
    ]
    alike = dynamic or (one.uid, one.gid) == (other.uid, other.gid)
    won = alike and not set(other.groups) <= set(one.groups)
    lost = alike and not set(one.groups) <= set(other.groups)
    yield from changed("identity", "user", shapes, judge(won=won, lost=lost))


def _devices(a: Effective, b: Effective) -> Iterator[Difference]:
    """Compare what was given and the variables that came with it. Paths are grants, groups are the identity's."""
    yield from changed("devices", "devices", [_given(side.devices) for side in (a, b)])


def _given(devices: Devices | None) -> dict[str, Any] | None:
    if devices is None:
        return None
    given = [f"{one.name} ({', '.join(one.uuids)})" if one.uuids else one.name for one in devices.given]
    return {"given": given, "variables": devices.variables}


def _limits(a: Effective, b: Effective) -> Iterator[Difference]:
    """Compare what processors, memory and processes are limited to; one that could not be had limits nothing."""
    sides = [{one.name: one for one in side.limits} for side in (a, b)]
    for name in dict.fromkeys((*sides[0], *sides[1])):
        one, other = (side.get(name) for side in sides)
        most = [limit.most if limit else float("inf") for limit in (one, other)]
        shapes = [{"limit": str(limit), "status": limit.status} if limit else None for limit in (one, other)]
        yield from changed("limit", name, shapes, judge(won=most[1] > most[0], lost=most[0] > most[1]))


def _contributors(a: Effective, b: Effective) -> Iterator[Difference]:
    """Compare who contributed, and what was installed then. What they added are grants."""
    sides = [
        {
            one.name: {"distribution": f"{one.distribution} {one.version}", "entry_point": one.entry_point}
            for one in side.contributors
        }
        for side in (a, b)
    ]
    for name in dict.fromkeys((*sides[0], *sides[1])):
        yield from changed("contributor", name, [side.get(name) for side in sides])


def _findings(a: Effective, b: Effective) -> Iterator[Difference]:
    """Compare findings by code, severity and grant: messages hold lines and kernel releases."""
    told = REPEATED if bool(a.landlock.abi) == bool(b.landlock.abi) else (*REPEATED, "outcome.skipped")
    groups = [_grouped(side, told) for side in (a, b)]
    for key in dict.fromkeys((*groups[0], *groups[1])):
        before, after = (group.get(key, []) for group in groups)
        more = before[len(after) :] or after[len(before) :]
        for found in more:
            shape = {"severity": found.severity, "grant": key[2], "message": found.message}
            sides = (shape, None) if len(before) > len(after) else (None, shape)
            yield from changed("finding", found.code, sides)


def _grouped(side: Effective, told: tuple[str, ...]) -> dict[tuple[str, str, str | None], list[Finding]]:
    groups: dict[tuple[str, str, str | None], list[Finding]] = {}
    for found in side.findings:
        if not found.code.startswith(told):
            groups.setdefault((found.code, found.severity, neutral(side, found.grant)), []).append(found)
    return groups


def _declared(a: Effective, b: Effective) -> Iterator[Difference]:
    """Compare what the policies say, one difference for all keys that differ."""
    yield from changed("declared", "policy", (_flat(a.declared), _flat(b.declared)))


def _flat(declared: Mapping[str, Any]) -> dict[str, Any]:
    """Return sections' keys as ``section.key``, less the empty ones: what is empty may as well not be there."""
    shape: dict[str, Any] = {}
    for key, value in declared.items():
        if isinstance(value, dict):
            shape |= {f"{key}.{inner}": entry for inner, entry in value.items()}
        else:
            shape[key] = value
    return {key: value for key, value in shape.items() if value not in ([], {}, None)}


def _plan(a: Effective, b: Effective) -> Iterator[Difference]:
    """Say so where one side is a plan and the other what became of one."""
    states = ["a plan" if any(grant.status == "planned" for grant in side.grants) else "enforced" for side in (a, b)]
    note = "Planned grants count as enforced in full."
    yield from changed("plan", "state", [{"state": state} for state in states], OTHER, note)
