"""docs/syscall-filter.md lists every row of the table, word for word, and no other."""

from pathlib import Path

from pyopenshell.kernel.syscalls import AUDIT_ARCH
from pyopenshell.seccomp.bpf import build, report
from pyopenshell.seccomp.table import Row, rows

PAGE = Path(__file__).parents[3] / "docs" / "syscall-filter.md"
ABIS = range(12)
APPLIES = {
    frozenset((net, abi) for net in (True, False) for abi in ABIS): "always",
    frozenset((True, abi) for abi in ABIS): "with a network namespace",
    frozenset((False, abi) for abi in ABIS): "without a network namespace",
    frozenset((net, abi) for net in (True, False) for abi in range(3)): "Landlock ABI below 3",
    frozenset((net, abi) for net in (True, False) for abi in range(5)): "Landlock ABI below 5",
}


def listed() -> list[str]:
    """Return the page's rows, as lines."""
    return [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]


def expected() -> set[str]:
    """Return the rows of all variants as the page should list them."""
    found: dict[Row, set[tuple[bool, int]]] = {}
    for net in (True, False):
        for abi in ABIS:
            for row in rows(net_namespace=net, landlock_abi=abi):
                found.setdefault(row, set()).add((net, abi))
    return {
        f"| `{row.syscall}` | {APPLIES[frozenset(variants)]} | {row.when} | {row.action[6:]} | {row.reason} |"
        for row, variants in found.items()
    }


def test_the_page_lists_the_table():
    """A row changed in one place only fails here; the missing line can be copied from the failure."""
    assert expected() == set(listed())
    assert len(expected()) == len(listed())


def test_the_page_says_how_long_the_filter_is():
    """The sizes it gives are those of the programs."""
    text = PAGE.read_text()
    for net, abi in ((True, 5), (False, 5), (True, 1), (False, 1)):
        count = report(build(rows(net_namespace=net, landlock_abi=abi), "x86_64"))[1]
        assert f"{count} instructions" in text, (net, abi, count)
    assert all(architecture in text for architecture in AUDIT_ARCH)
