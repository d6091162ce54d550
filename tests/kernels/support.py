"""docs/support.md: what enforces what, by kernel and by place, from what was measured; nothing here is known otherwise.

Three files are its sources: docs/evidence/kernels.json (``make test-kernels``), docs/evidence/places.json
(``python -m tests.places``) and docs/support/distributions.json (kept by hand, each entry with its source).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.kernels import prose, table
from tests.kernels.results import from_json

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tests.kernels.results import Booted

PAGE = "docs/support.md"
KERNELS = "docs/evidence/kernels.json"
PLACES = "docs/evidence/places.json"
DISTRIBUTIONS = "docs/support/distributions.json"

RIGHTS = {"Files": "write_file", "Moving": "refer", "Emptying": "truncate", "Device ioctls": "ioctl_dev"}
"""Columns, and the Landlock right that stands for each."""
KINDS = {
    "Sockets by path": "pathname_sockets",
    "Abstract sockets": "abstract_sockets",
    "Signals": "signals",
    "Network": "net",
    "Processes": "pid",
    "Mounts": "mount",
}
"""Columns, and the kind of isolation that stands for each."""
COLUMNS = (*RIGHTS, *KINDS, "Thread names")
OPEN = "**open**"
SHORT = {
    "landlock": "Landlock",
    "seccomp": "filter",
    "mount": "mounts",
    "none": OPEN,
    "this": "always",
}
"""A mechanism's first word, and what stands for it here; a namespace stands for itself."""


def mechanism(words: str) -> str:
    """Return the short word for a mechanism: its first word stands for it."""
    first = words.split(maxsplit=1)[0]
    return SHORT.get(first, "namespace")


def cells(place: dict[str, Any]) -> tuple[str, ...]:
    """Return what enforces each column's matter in a place; where no sandbox is made, that."""
    sandbox = place.get("sandbox")
    if sandbox is None:
        return ("-",) * len(COLUMNS)
    handled = sandbox["landlock"]["handled"]
    covers = {gap["right"]: gap["covered_by"] for gap in sandbox["landlock"]["dropped"]}
    rights = ("Landlock" if right in handled else mechanism(covers.get(right) or "none") for right in RIGHTS.values())
    isolation = (sandbox["isolation"][kind] for kind in KINDS.values())
    kinds = (OPEN if kind["state"] == "open" else mechanism(kind["mechanism"]) for kind in isolation)
    names = {"landlock": "write_file"}.get(sandbox["broker"]["mechanism"], sandbox["broker"]["mechanism"])
    return (*rights, *kinds, names)


def findings(place: dict[str, Any]) -> str:
    """Return what the operator is told there, the grave ones; or the refusal."""
    sandbox = place.get("sandbox")
    if sandbox is None:
        return f"`{place['error']['code']}`"
    told = [*sandbox["findings"], *sandbox["gpu_findings"]]
    grave = [f"`{one['code']}` ({one['severity']})" for one in told if one["severity"] in ("High", "Medium")]
    return ", ".join(dict.fromkeys(grave)) or "none"


def lines(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a Markdown table."""
    head = tuple(head)
    return "".join(f"| {' | '.join(line)} |\n" for line in (head, ("---",) * len(head), *rows))


def by_kernel(booted: Iterable[Booted]) -> str:
    """Return the table by kernel, for root, a user, and a user who may make no user namespaces."""
    rows = []
    for kernel in booted:
        abi = str(kernel.facts["abi"] or "none")
        label = f"{kernel.facts['release']}" + (f" `{kernel.command_line}`" if "lsm=" in kernel.command_line else "")
        for outcome in kernel.outcomes:
            if outcome.place:
                who = "user" if outcome.user else "root"
                who += "" if outcome.userns else ", no user namespaces"
                who += ", as on Ubuntu 24.04" if outcome.profile else ""
                who += f", masked to ABI {outcome.masked}" if outcome.masked is not None else ""
                rows.append((label, abi, who, *cells(outcome.place), findings(outcome.place)))
                label = abi = ""
    return lines(("Kernel", "ABI", "Started by", *COLUMNS, "Findings, Medium and up"), rows)


def by_place(places: Iterable[dict[str, Any]]) -> str:
    """Return the table by place; one that could not be made says so."""
    rows = []
    for one in places:
        place = one["result"] or {"error": {"code": "not measured"}}
        options = " ".join(one["options"]) if one["engine"] else ""
        label = one["title"] + (f": `{options}`" if options else "")
        rows.append((label, one["how"], *cells(place), findings(place)))
    return lines(("Place", "", *COLUMNS, "Findings, Medium and up"), rows)


def _kernels(places: Iterable[dict[str, Any]]) -> str:
    """Return the kernels that the places were measured on."""
    seen = {(one["result"]["kernel"]["release"], one["result"]["kernel"]["abi"]) for one in places if one["result"]}
    return ", ".join(f"Linux {release} (Landlock ABI {abi})" for release, abi in sorted(seen))


def by_distribution(known: Iterable[dict[str, Any]]) -> str:
    """Return the table of distributions: documented facts, and which measured row they correspond to."""
    head = ("Distribution", "Kernel", "ABI", "Landlock on", "Yama", "User namespaces", "As measured", "Notes", "Source")
    keys = ("name", "kernel", "abi", "landlock_enabled_by_default", "yama", "userns", "measured_as", "note", "source")
    return lines(head, ([_word(one[key]) for key in keys] for one in known))


def _word(value: object) -> str:
    if value is None:
        return "not known"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value) or "-"


def page(checkout: Path) -> str:
    """Return the whole page from its three sources."""
    booted = from_json((checkout / KERNELS).read_text())
    places = json.loads((checkout / PLACES).read_text())["places"]
    known = json.loads((checkout / DISTRIBUTIONS).read_text())["distributions"]
    return prose.PAGE.format(
        kernels=by_kernel(booted),
        places_kernel=_kernels(places),
        places=by_place(places),
        distributions=by_distribution(known),
        tests=table.markdown(booted),
    )
