"""The assembler: what it makes means what the rows say, for any rows and any syscall."""

import errno
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyopenshell.kernel import numbers
from pyopenshell.kernel.seccomp import MAX_INSTRUCTIONS, RET_ALLOW, RET_ERRNO
from pyopenshell.kernel.syscalls import number
from pyopenshell.seccomp.bpf import build, report
from pyopenshell.seccomp.row import ALL_BITS, Condition, Row

ARCHITECTURES = ("x86_64", "aarch64")
NAMES = ("read", "openat", "socket", "ioctl", "openat2", "open")  # the last one is unknown to aarch64
AUDIT_ARCH_I386 = 0x40000003
RUBBISH = 0xDEAD << 32

small = st.integers(0, 7)  # few values, so that conditions often hold
word = small | st.sampled_from([0x80000000, ALL_BITS, ALL_BITS - 3])


@st.composite
def conditions(draw):
    """Any condition that can hold."""
    mask = draw(st.sampled_from([ALL_BITS, 0xF, 3, 5]))
    values = draw(st.lists(word, min_size=1, max_size=3))
    return Condition(draw(st.integers(0, 5)), tuple(value & mask for value in values), mask, draw(st.booleans()))


rows = st.lists(
    st.builds(
        Row,
        syscall=st.sampled_from(NAMES),
        action=st.sampled_from(["errno:EPERM", "errno:EACCES", "errno:ENOSYS", "errno:EAFNOSUPPORT"]),
        reason=st.just("because"),
        conditions=st.lists(conditions(), max_size=3).map(tuple),
    ),
    max_size=8,
)


def meaning(rows: list[Row], name: str, args: tuple[int, ...]) -> int:
    """Read the rows as a person would: the first row of this syscall whose conditions all hold decides."""
    for row in rows:
        if row.syscall == name and all(
            (args[c.argument] % 2**32 & c.mask in c.values) != c.negated for c in row.conditions
        ):
            return RET_ERRNO | int(getattr(errno, row.action.removeprefix("errno:")))
    return RET_ALLOW


@given(
    rows=rows,
    architecture=st.sampled_from(ARCHITECTURES),
    name=st.sampled_from((*NAMES, "write")),
    args=st.tuples(*[word] * 6),
    upper=st.sampled_from([0, RUBBISH, ALL_BITS << 32]),
)
def test_a_program_means_what_its_rows_say(interpret, rows, architecture, name, args, upper):
    """Whatever the upper half of the registers holds: the kernel does not look at it either."""
    nr = number(name, architecture)
    if nr is None:
        return
    wide = tuple(arg | upper for arg in args)
    assert meaning(rows, name, args) == interpret(build(rows, architecture), architecture, nr, wide)


@given(rows=rows, arch=st.integers(0, ALL_BITS), nr=word)
def test_a_foreign_architecture_gets_enosys_for_everything(interpret, rows, arch, nr):
    """The 32-bit entry numbers its syscalls differently, so no row could be right for it."""
    for architecture, other in zip(ARCHITECTURES, reversed(ARCHITECTURES), strict=True):
        program = build(rows, architecture)
        for foreign in (arch & 0x3FFFFFFF, AUDIT_ARCH_I386, other):
            assert RET_ERRNO | errno.ENOSYS == interpret(program, foreign, nr)


def test_x32_gets_enosys_on_x86_64_only(interpret):
    """x32 calls carry the architecture of x86_64; elsewhere the bit means nothing."""
    x32_read = 0x40000000 | 0
    assert RET_ERRNO | errno.ENOSYS == interpret(build((), "x86_64"), "x86_64", x32_read)
    assert RET_ALLOW == interpret(build((), "aarch64"), "aarch64", x32_read)


def test_the_program_does_not_depend_on_the_order_of_syscalls():
    """Rows of different syscalls may come in any order: same rows, same bytes, same digest."""
    first, second = Row("socket", "errno:EPERM", "a"), Row("ioctl", "errno:EPERM", "b")
    assert build((first, second), "x86_64") == build((second, first), "x86_64")


def test_the_first_row_of_a_syscall_decides(interpret):
    """So an exception can stand before the rule."""
    program = build((Row("socket", "errno:EPERM", "a"), Row("socket", "errno:EACCES", "b")), "x86_64")
    assert RET_ERRNO | errno.EPERM == interpret(program, "x86_64", 41)


def test_report_counts_and_digests():
    """The SHA-256 is of the bytes the kernel gets, the count is of its instructions."""
    program = build((), "x86_64")
    assert (hashlib.sha256(program).hexdigest(), len(program) // 8) == report(program)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (Row("opennat", "errno:EPERM", "r"), "opennat"),
        (Row("read", "kill", "r"), "unknown action"),
        (Row("read", "errno:EPERM", "r", conditions=(Condition(0, ()),)), "never hold"),
        (Row("read", "errno:EPERM", "r", conditions=(Condition(0, (16,), mask=0xF),)), "never hold"),
        (Row("read", "errno:EPERM", "r", conditions=(Condition(0, tuple(range(300))),)), "too many"),
    ],
)
def test_rows_that_cannot_be_meant_are_refused(row, message):
    """A typing mistake in the table must not become a row that silently does nothing."""
    with pytest.raises(ValueError, match=message):
        build((row,), "x86_64")


def test_a_program_longer_than_the_kernel_takes_is_refused():
    """The limit is the kernel's BPF_MAXINSNS, and just below it is fine."""
    condition = Condition(0, tuple(range(200)))
    names = [name for name, nr in (numbers.table("x86_64") or {}).items() if nr < 21]
    many = [Row(name, "errno:EPERM", "r", conditions=(condition,)) for name in names]
    assert report(build(many[:20], "x86_64"))[1] in range(MAX_INSTRUCTIONS - 10, MAX_INSTRUCTIONS)
    with pytest.raises(ValueError, match="at most"):
        build(many, "x86_64")
