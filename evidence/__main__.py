"""``make evidence``: measure which procfs files open for writing under each mode, and write docs/evidence/procfs.md.

An ordinary user cannot measure root's part, so theirs goes to build/evidence/procfs.md instead.
"""

from __future__ import annotations

import os
import platform
import sys
import tempfile
from typing import TYPE_CHECKING

from evidence import harness, measure
from evidence.page import Findings, render
from pyopenshell.kernel import landlock

if TYPE_CHECKING:
    from evidence.measure import Seen

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
THREADS = 3
AS_USER = "a user's workload, launched where namespaces are refused"
LAUNCHED = "a user's workload, launched as usual"
AS_ROOT = "a process of root, under the rules alone"
APART = "the same in a private pid namespace with its own `/proc`"
ALL = (harness.BARE, *harness.MODES)


def main() -> int:
    """Measure, write, and say where; return the exit status."""
    is_root = os.geteuid() == 0
    uid = measure.unused_id() if is_root else None
    try:
        with tempfile.TemporaryDirectory(prefix="openshell-evidence.", dir="/var/tmp") as folder:
            measure.make_folder(folder, uid)
            found = take(folder, uid, is_root=is_root)
    except (OSError, RuntimeError) as error:
        hint = (
            "; the user that is measured must be able to execute this checkout"
            if isinstance(error, PermissionError)
            else ""
        )
        print(f"evidence: {error}{hint}", file=sys.stderr)
        return 1
    path = os.path.join(ROOT, "docs" if is_root else "build", "evidence", "procfs.md")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(render(found))
    for who, row in found.counts.items():
        print(f"{who}: " + ", ".join(f"{mode} {seen.count:,}" for mode, seen in row.items()))
    print(f"written: {path}")
    return 0


def take(folder: str, uid: int | None, *, is_root: bool) -> Findings:
    """Measure everything; ``uid`` is the user where this process is root."""
    with measure.bystander(uid) as other:
        user = {
            mode: measure.launched(folder, mode, uid=uid, namespaces=False, bystander=other) for mode in harness.MODES
        }
        user[harness.BARE] = measure.under_rules(harness.BARE, uid=uid, bystander=other)
    counts: dict[str, dict[str, Seen]] = {AS_USER: user}
    counts[LAUNCHED] = {mode: measure.launched(folder, mode, uid=uid) for mode in harness.MODES}
    by_name = {"user": user}
    if is_root:
        with measure.bystander() as other:
            root = {mode: measure.under_rules(mode, bystander=other) for mode in ALL}
        counts = {AS_ROOT: root, APART: {mode: measure.under_rules(mode, apart=True) for mode in ALL}, **counts}
        by_name = {"root": root, **by_name}
    return Findings(
        platform.release().partition("-")[0],
        platform.machine(),
        landlock.abi(),
        counts,
        by_name,
        THREADS,
        measure.launched(folder, "broker", uid=uid, threads=THREADS),
        {mode: measure.descendants(mode, uid) for mode in ("off", harness.TASK, "write_file", "broker")},
    )


if __name__ == "__main__":
    sys.exit(main())
