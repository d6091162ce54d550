"""docs/syscall-filter.md lists every row of the table, word for word, and no other."""

from itertools import product
from pathlib import Path

from pyopenshell.kernel.syscalls import AUDIT_ARCH
from pyopenshell.seccomp.bpf import build, report
from pyopenshell.seccomp.row import Row
from pyopenshell.seccomp.table import rows

PAGE = Path(__file__).parents[3] / "docs" / "syscall-filter.md"
VARIANTS = frozenset(product((True, False), range(12), (True, False)))
"""(network namespace, Landlock ABI, broker)"""
APPLIES = {
    VARIANTS: "always",
    frozenset(variant for variant in VARIANTS if variant[0]): "with a network namespace",
    frozenset(variant for variant in VARIANTS if not variant[0]): "without a network namespace",
    frozenset(variant for variant in VARIANTS if variant[1] < 3): "Landlock ABI below 3",
    frozenset(variant for variant in VARIANTS if variant[1] < 5): "Landlock ABI below 5",
    frozenset(variant for variant in VARIANTS if variant[2]): "with the broker",
}
ANSWERS = {"allow": "allowed", "notify": "the broker's"}


def listed() -> list[str]:
    """Return the page's rows, as lines."""
    return [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]


def expected() -> list[str]:
    """Return the rows of all variants as the page should list them: what is said of several syscalls, once."""
    found: dict[Row, set[tuple[bool, int, bool]]] = {}
    for variant in sorted(VARIANTS, reverse=True):
        net, abi, broker = variant
        for row in rows(net_namespace=net, landlock_abi=abi, broker=broker):
            found.setdefault(row, set()).add(variant)
    lines: dict[str, list[str]] = {}
    for row, variants in found.items():
        answer = ANSWERS.get(row.action, row.action.removeprefix("errno:"))
        said = f"{APPLIES[frozenset(variants)]} | {row.when} | {answer} | {row.reason} | {row.cost or 'none known'} |"
        lines.setdefault(said, []).append(f"`{row.syscall}`")
    return [f"| {' '.join(names)} | {said}" for said, names in lines.items()]


def test_the_page_lists_the_table():
    """A row changed in one place only fails here; the missing line can be copied from the failure."""
    assert set(expected()) == set(listed())
    assert len(expected()) == len(listed())


def test_the_page_says_how_long_the_filter_is():
    """The sizes it gives are those of the programs."""
    text = " ".join(PAGE.read_text(encoding="utf-8").split())
    for net, abi, broker in ((True, 5, False), (False, 5, False), (True, 5, True), (True, 1, False), (False, 1, False)):
        count = report(build(rows(net_namespace=net, landlock_abi=abi, broker=broker), "x86_64"))[1]
        assert f"{count} instructions" in text, (net, abi, broker, count)
    assert all(architecture in text for architecture in AUDIT_ARCH)
