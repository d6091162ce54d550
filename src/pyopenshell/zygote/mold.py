"""What a sandbox's record says of how it began, made once for all sandboxes that are alike but for name, id and time.

The effective policy and the events are made as for any run, with marks in the places of what differs; filling the marks
in costs a hundredth of making them. Two sandboxes are alike where they follow from one plan and the kernel's word on
both, the receipt, differs in nothing but inode and namespace numbers.
"""

from __future__ import annotations

import marshal
import os

from pyopenshell.audit import log, shorthand, translate
from pyopenshell.effective.canonical import canonical_bytes
from pyopenshell.effective.settle import outcomes, settle
from pyopenshell.policy.digest import begin

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from pyopenshell.audit.context import Context
    from pyopenshell.planning import Planned

NAME = f"m{os.urandom(15).hex()}"
RUN = f"M{os.urandom(12).hex()}"
TIME = 9 * 10**14 + int.from_bytes(os.urandom(5), "little")
"""A moment that no event will have, in milliseconds, below 2**53."""
BY_VALUE = 2
"""The version of ``marshal`` in which what is equal looks equal: later ones tell which objects are the same one."""


class Blank:
    """Bytes with marks to fill in."""

    def __init__(self, data: bytes, marks: Mapping[str, bytes]) -> None:
        """Find the marks, given with the names of what replaces them; of two at one place the first counts."""
        self._pieces: list[bytes | str] = [data]
        for name, mark in marks.items():
            pieces: list[bytes | str] = []
            for piece in self._pieces:
                if isinstance(piece, str):
                    pieces.append(piece)
                    continue
                for part in piece.split(mark):
                    pieces += (part, name)
                pieces.pop()
            self._pieces = pieces

    def fill(self, values: Mapping[str, bytes]) -> bytes:
        """Return the bytes with these values in the places of their marks."""
        return b"".join([values[piece] if isinstance(piece, str) else piece for piece in self._pieces])

    @property
    def head(self) -> bytes:
        """What comes before the first mark."""
        return self._pieces[0] if isinstance(self._pieces[0], bytes) else b""


class Identified:
    """The digest of a plan whose sandbox has another name each time (docs/design.md, section 7)."""

    def __init__(self, planned: Planned) -> None:
        """Digest what comes before the name once and for all."""
        effective = planned.effective.replace(name=NAME, run_id=RUN)
        self.marked = effective.digest
        self._plan = Blank(effective.plan_bytes(), {"name": NAME.encode()})
        self._begun = begin(self._plan.head)

    def digest(self, name: str) -> str:
        """Return the digest of the plan for a sandbox of this name."""
        found = self._begun.copy()
        found.update(self._plan.fill({"name": name.encode()})[len(self._plan.head) :])
        return str(found.hexdigest())


class Mold:
    """The beginning of a record, for one receipt's ``core``: ``effective.json`` and the first events."""

    def __init__(self, planned: Planned, identified: Identified, receipt: dict[str, Any], context: Context) -> None:
        """Make them from a receipt, with marks. Raises LaunchError where it holds what no grant asked for."""
        receipt = {**receipt, "effective_digest": identified.marked}
        marked = planned.effective.replace(name=NAME, run_id=RUN)
        effective = settle(marked, outcomes(receipt), quiet=receipt["landlock"]["quiet"])
        here = context.replace(sandbox=NAME, run_id=RUN, time=TIME)
        events = [
            *translate.enrichments(effective, here),
            translate.enforcement(effective, receipt, here),
            *(translate.finding(finding, here) for finding in effective.findings),
            translate.lifecycle("Start", here),
        ]
        marks = {
            "digest": identified.marked.encode(),
            "short": identified.marked[: shorthand.DIGEST].encode(),
            "name": NAME.encode(),
            "run": RUN.encode(),
        }
        self._effective = Blank(canonical_bytes(effective.as_dict()), marks)
        lines = "".join(f"{log.json_line(event)}\n" for event in events).encode()
        self._events = Blank(lines, {**marks, "time": str(TIME).encode()})
        lines = "".join(f"{shorthand.line(event)}\n" for event in events).encode()
        self._shorthand = Blank(lines, {**marks, "time": shorthand.moment(TIME).encode()})

    def fill(self, name: str, run_id: str, digest: str, time: int) -> tuple[bytes, bytes, bytes]:
        """Return the effective policy, the events and their shorthand for one sandbox."""
        values = {"name": name.encode(), "run": run_id.encode(), "digest": digest.encode()}
        values["short"] = values["digest"][: shorthand.DIGEST]
        effective = self._effective.fill(values)
        values["time"] = str(time).encode()
        events = self._events.fill(values)
        values["time"] = shorthand.moment(time).encode()
        return effective, events, self._shorthand.fill(values)


def core(receipt: dict[str, Any]) -> bytes:
    """Return what of a receipt the rest of the record follows from."""
    broker = receipt["broker"] or {}
    return marshal.dumps(
        (
            [(rule["grant"], rule["requested"], rule["actual"], rule["errno"]) for rule in receipt["rules"]],
            [(path["path"], path["errno"]) for path in receipt["landlock"]["quiet"]],
            [receipt[key] for key in ("reach", "created", "unbound", "canary", "credentials", "seccomp")],
            [broker.get(key) for key in ("grants", "own")],
            [(check["name"], check["ok"]) for check in receipt["supervisor_checks"]],
        ),
        BY_VALUE,
    )
