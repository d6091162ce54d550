"""docs/evidence/procfs.md from what was seen: a pure function, so that the same findings make the same page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evidence import harness
from evidence.measure import BYSTANDER
from evidence.notable import NOTABLE, family
from evidence.prose import DESCENDANTS, HOW, INTRODUCTION, NOTABLE_TEXT, RERUN, SKIPPED, WHERE
from pyopenshell.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from evidence.measure import Seen

COLUMNS = (harness.BARE, *harness.MODES)
NAMES = {"read_write": "`/proc` declared", harness.BARE: harness.BARE}


class Findings(Record):
    """Everything on the page. Tables are by row, then by mode."""

    kernel: str
    machine: str
    abi: int
    counts: dict[str, dict[str, Seen]]
    notable: dict[str, dict[str, Seen]]
    threads: int
    threaded: Seen
    descendants: dict[str, dict[str, str]]


def render(found: Findings) -> str:
    """Return the page."""
    parts = [
        INTRODUCTION.format(kernel=found.kernel, machine=found.machine, abi=found.abi),
        _counts(found),
        HOW,
        NOTABLE_TEXT,
        _notable(found.notable),
        WHERE,
        _families({who: row["write_file"] for who, row in found.notable.items()}),
        f"The user's own files and those of the system: {_listed(found.notable['user']['write_file'])}.\n",
        DESCENDANTS,
        _descendants(found.descendants),
        SKIPPED,
        _skipped(found),
        RERUN,
    ]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[object]], *, numbers: bool = False) -> str:
    aligned = ["---"] + ["---:" if numbers else "---"] * (len(head) - 1)
    return "".join("| " + " | ".join(map(str, line)) + " |\n" for line in (head, aligned, *rows))


def _named(mode: str) -> str:
    return NAMES.get(mode, f"`{mode}`")


def _counts(found: Findings) -> str:
    def cell(seen: Seen | None) -> str:
        if seen is None:
            return "–"
        return f"{seen.count:,}" + (f" + {seen.bystander:,}" if seen.bystander else "")

    rows = [[who, *(cell(row.get(mode)) for mode in COLUMNS)] for who, row in found.counts.items()]
    text = f"\nUnder `broker` a process with {found.threads} threads can open {found.threaded.count}: "
    text += (
        ", ".join(f"`{path}`" for path in dict.fromkeys(found.threaded.opened)) + f" (for each of {found.threads}).\n"
    )
    return _table(["who", *map(_named, COLUMNS)], rows, numbers=True) + text


def _notable(rows: dict[str, dict[str, Seen]]) -> str:
    def able(path: str, mode: str) -> str:
        return ", ".join(who for who, row in rows.items() if path in row[mode].opened) or "nobody"

    here = [(path, what) for path, what in NOTABLE if able(path, harness.BARE) != "nobody"]
    lines = [[f"`{path}`", what, *(able(path, mode) for mode in COLUMNS)] for path, what in here]
    missing = [f"`{path}`" for path, _ in NOTABLE if path not in dict(here)]
    text = f"\nNot on this kernel, or closed without a sandbox too: {', '.join(missing)}.\n" if missing else ""
    return _table(["file", "what writing to it does", *map(_named, COLUMNS)], lines) + text


def _families(seen: dict[str, Seen]) -> str:
    counted = [_by_family(one.opened) for one in seen.values()]
    names = sorted({name for count in counted for name in count})
    rows = [[name, *(f"{count.get(name, 0):,}" for count in counted)] for name in names]
    return _table(["where", *seen], rows, numbers=True)


def _by_family(paths: Iterable[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for path in paths:
        counts[family(path)] = counts.get(family(path), 0) + 1
    return counts


def _listed(seen: Seen) -> str:
    return ", ".join(f"`{path}`" for path in seen.opened if not path.startswith(BYSTANDER))


def _descendants(found: dict[str, dict[str, str]]) -> str:
    modes = list(found)
    heads = [f"`write_file` on `{mode}`" if mode == harness.TASK else _named(mode) for mode in modes]
    rows = [[who, *(found[mode][who] for mode in modes)] for who in found[modes[0]]]
    return _table(["who", *heads], rows)


def _skipped(found: Findings) -> str:
    rows = []
    for who, row in found.notable.items():
        for mode in COLUMNS:
            seen = row[mode]
            refused = ", ".join(f"{count:,} {name}" for name, count in sorted(seen.refused.items()))
            left = "; ".join(seen.left)
            rows.append([who, _named(mode), f"{len(seen.opened):,}", refused or "none", left or "nothing"])
    return _table(["who", "mode", "opened", "refused", "left out"], rows)
