"""The grants of two effective policies compared: by id, then by path, judged by what their places are given. Pure."""

from __future__ import annotations

from pyopenshell.effective.difference import LOOSER, TIGHTER, Difference, changed, judge
from pyopenshell.effective.paths import MOUNT_POINTS, OWN_FOLDERS, inside, normal, shows
from pyopenshell.effective.settle import DENIED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from pyopenshell.effective.model import Effective, Grant

ID_LENGTH = 26
"""Of a run's id (a ULID), which without a mount namespace stands in the paths of the sandbox's private folders."""


def grants(a: Effective, b: Effective) -> Iterator[Difference]:
    """Yield the grants that differ, less those for CUDA's thread names.

    Rights count where both sides handle them: what a kernel does not handle is everybody's, and is told elsewhere. A
    grant is judged by what its place is given by all grants together, as the kernel adds rules up: one that goes
    while another gives the same makes nothing tighter.
    """
    common = frozenset(a.landlock.handled) & frozenset(b.landlock.handled)
    sides = _Side(a, common), _Side(b, common)
    for before, after in _pairs(*sides):
        yield from _compared(sides, before, after)


def neutral(side: Effective, text: str | None) -> str | None:
    """Return a path or an id of a grant without the run's own id in it."""
    run = side.run_id.lower()
    return text.replace(run, "RUN") if text and len(run) == ID_LENGTH else text


def is_thread_name(grant: Grant) -> bool:
    """Whether a grant is the runtime's addition for CUDA's thread names."""
    return grant.origin.kind == "runtime" and grant.origin.name == "cuda-thread-names"


class _Side:
    """One policy: its grants by id, and what they give of the rights ``common`` to both."""

    def __init__(self, effective: Effective, common: frozenset[str]) -> None:
        self.effective = effective
        self.common = common
        self.bare = not effective.landlock.abi
        mount = effective.isolation.get("mount")
        self.has_mounts = mount is not None and mount.state == "private"
        self.planned = any(one.status == "planned" for one in effective.grants)
        self.grants = {neutral(effective, one.id) or "": one for one in effective.grants if not is_thread_name(one)}

    def gives(self, grant: Grant) -> frozenset[str]:
        """Return the rights a grant gives: those accepted, or in a plan those asked for."""
        rights = grant.access if self.planned else grant.actual
        return frozenset(rights) & self.common if grant.status != "skipped" else frozenset()

    def _common(self, message: str | None) -> str | None:
        """Return a detail without denied rights that one side does not handle: nobody could have tried them there."""
        how, modes, rights = (message or "").partition(DENIED)
        if not modes:
            return message
        return how + modes + ", ".join(right for right in rights.split(", ") if right in self.common)

    def place(self, grant: Grant) -> str:
        """Return where a grant takes effect."""
        return neutral(self.effective, grant.resolved or normal(grant.path)) or ""

    def private(self, grant: Grant) -> bool:
        """Whether a grant is for a folder that the sandbox has of its own; what is declared there is the host's."""
        return (
            self.has_mounts
            and grant.origin.kind == "baseline"
            and any(inside(grant.path, folder) for folder in OWN_FOLDERS)
        )

    def won(self, grant: Grant | None, other: _Side) -> bool:
        """Whether a grant gives a right on its place that no grant of the other side gives there.

        What a covered one gives is said of the grant that covers it.
        """
        if grant is None or grant.status == "covered":
            return False
        place, private = self.place(grant), self.private(grant)
        # What is the host's in a private mount is given there by what is bound back, not by a folder above.
        hidden = () if private or not other.has_mounts else MOUNT_POINTS
        given = [
            other.gives(one)
            for one in other.grants.values()
            if one.mechanism == grant.mechanism
            and other.private(one) == private
            and shows(other.place(one), place, hidden)
        ]
        return not self.gives(grant) <= frozenset().union(*given)

    def shape(self, grant: Grant) -> dict[str, Any]:
        """Return what of a grant is compared; of its origin, not the place in a file."""
        origin, detail = grant.origin, grant.detail
        told = {"errno": detail.errno, "covered_by": neutral(self.effective, detail.covered_by)}
        told["message"] = neutral(self.effective, self._common(detail.message))
        return {
            "origin": f"declared/{origin.name}" if origin.kind == "declared" else str(origin),
            "resolved": neutral(self.effective, grant.resolved),
            **({"source": grant.source} if grant.source else {}),
            "access": sorted(grant.access),
            "gives": sorted(self.gives(grant)),
            "status": grant.status,
            "mechanism": grant.mechanism,
            # Of one that is enforced it only says how: the folder was created, for one.
            "detail": {key: value for key, value in told.items() if value} if grant.status != "enforced" else {},
        }


def _pairs(a: _Side, b: _Side) -> Iterator[tuple[Grant | None, Grant | None]]:
    """Match grants by id; of the rest those on one path by one mechanism, as when a line moves to read_write."""
    left: dict[tuple[str | None, str], list[Grant]] = {}
    for name, one in b.grants.items():
        if name not in a.grants:
            left.setdefault((neutral(b.effective, one.path), one.mechanism), []).append(one)
    for name, one in a.grants.items():
        if name in b.grants:
            yield one, b.grants[name]
            continue
        same = left.get((neutral(a.effective, one.path), one.mechanism))
        yield one, same.pop(0) if same else None
    yield from ((None, one) for rest in left.values() for one in rest)


def _compared(sides: tuple[_Side, _Side], before: Grant | None, after: Grant | None) -> Iterator[Difference]:
    a, b = (side.shape(grant) if grant else None for side, grant in zip(sides, (before, after), strict=True))
    direction = judge(won=sides[1].won(after, sides[0]), lost=sides[0].won(before, sides[1]))
    if a and b and before and after:
        if any(side.bare and grant.mechanism == "landlock" for side, grant in zip(sides, (before, after), strict=True)):
            # Without Landlock no rule is made, of any grant.
            for shape in (a, b):
                del shape["gives"], shape["status"], shape["detail"]
        elif sides[0].planned != sides[1].planned and a["access"] == b["access"]:
            _as_planned(a, b)
        elif a["gives"] == b["gives"] and {a["status"], b["status"]} == {"blocked", "enforced"}:
            direction = LOOSER if b["status"] == "enforced" else TIGHTER  # file modes deny some of it
    named, side = (before, sides[0]) if before else (after, sides[1])
    path = neutral(side.effective, named.path) if named else ""
    note = _note(sides, before, after, direction)
    yield from changed("grant", path or "", (a, b), direction, note)


def _as_planned(a: dict[str, Any], b: dict[str, Any]) -> None:
    """Leave out what a plan cannot know: how it came out, and that a rule on a file cannot carry all it asks for."""
    for shape in (a, b):
        del shape["gives"]
    if {a["status"], b["status"]} == {"planned", "enforced"}:
        del a["status"], b["status"]


def _note(sides: tuple[_Side, _Side], before: Grant | None, after: Grant | None, direction: str) -> str:
    """Say why a grant on one side only changes nothing there."""
    if (before and after) or direction in (LOOSER, TIGHTER):
        return ""
    side, grant = (sides[0], before) if before else (sides[1], after)
    if grant is None or grant.status in ("skipped", "covered") or not side.gives(grant):
        return ""
    return "Other grants give the same there."
