"""What is in force of a sandbox's policy besides what was declared, in short: for clients that show ``provenance``.

It is read out of the effective policy, which has the whole of it (the service ``pyopenshell.v1.Inspection``). Keys are
stable and described in docs/policy-revisions.md; each value is one sentence, but for ``pyopenshell/runtime``, which is
the declared section as JSON.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

PREFIX = "pyopenshell/"
LONGEST = 500
"""Characters of a value."""
SHOWN = 5
"""Things of a kind that a value names."""
SEVERITIES = ("Critical", "High", "Medium", "Low", "Informational")


def summary(effective: dict[str, Any]) -> dict[str, str]:
    """Return the entries that an effective policy gives, in its documented shape (docs/design.md, section 7)."""
    told = {
        "effective-digest": effective["digest"],
        "identity": _identity(effective["identity"]),
        "declared": _grants(
            [one for one in effective["grants"] if one["origin"]["kind"] == "declared"], "declared path"
        ),
        "baseline": _baseline(effective["grants"]),
        "runtime-additions": _additions(effective["runtime_additions"]),
        "network": _network(effective["network"]),
        "devices": _devices(effective.get("devices")),
        "findings": _findings(effective["findings"]),
    }
    return {f"{PREFIX}{key}": _cut(text) for key, text in told.items() if text}


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _identity(identity: dict[str, Any]) -> str:
    return f"Programs run as uid {identity['uid']} and gid {identity['gid']} ({identity['source']})."


def _grants(grants: list[dict[str, Any]], noun: str) -> str:
    """Say of how many grants there are what became of them."""
    if not grants:
        return f"No {noun}."
    counts: dict[str, int] = {}
    for grant in grants:
        counts[grant["status"]] = counts.get(grant["status"], 0) + 1
    statuses = ", ".join(f"{number} {status}" for status, number in counts.items())
    return f"{_counted(len(grants), noun)}: {statuses}."


def _baseline(grants: Iterable[dict[str, Any]]) -> str:
    origins: dict[str, int] = {}
    for grant in grants:
        origin = grant["origin"]
        if origin["kind"] in ("workdir", "baseline", "cdi"):
            label = (
                origin["kind"]
                if origin["kind"] == "workdir" or not origin["name"]
                else f"{origin['kind']}/{origin['name']}"
            )
            origins[label] = origins.get(label, 0) + 1
    if not origins:
        return "No grant besides those declared."
    return f"Granted besides what is declared: {_some([f'{number} by {label}' for label, number in origins.items()])}."


def _additions(grants: list[dict[str, Any]]) -> str:
    if not grants:
        return "None."
    named = [
        f"{','.join(grant['access'])} on {grant['path']} by {grant['origin']['kind']}/{grant['origin']['name']}, "
        f"{grant['mechanism']}, {grant['status']}"
        for grant in grants
    ]
    return f"Added by the runtime: {_some(named)}."


def _network(network: dict[str, Any]) -> str:
    skipped = [entry["endpoint"] or entry["name"] for entry in network["entries"] if entry["status"] == "skipped"]
    text = f"Mode {network['mode']}, by {network['mechanism']}"
    return f"{text}; declared and not granted: {_some(skipped)}." if skipped else f"{text}."


def _devices(devices: dict[str, Any] | None) -> str:
    if not devices:
        return ""
    return f"Given: {_some([one['name'] for one in devices['given']]) or 'none'}."


def _findings(findings: list[dict[str, Any]]) -> str:
    if not findings:
        return "None."
    ordered = sorted(findings, key=lambda one: SEVERITIES.index(one["severity"]))
    counts = [
        f"{number} {severity}"
        for severity in SEVERITIES
        if (number := sum(one["severity"] == severity for one in findings))
    ]
    return f"{', '.join(counts)}: {_some(list(dict.fromkeys(one['code'] for one in ordered)))}."


def _some(items: list[str]) -> str:
    more = len(items) - SHOWN
    return ", ".join(items[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
