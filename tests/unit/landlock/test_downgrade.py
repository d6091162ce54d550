"""The downgrade at every ABI, as a table, and what holds for all of them."""

from __future__ import annotations

import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyopenshell.landlock.abi import MAX_ABI, RIGHTS
from pyopenshell.landlock.downgrade import Handled, allowed, for_inode, handled, mask, names
from pyopenshell.policy.access import READ_ONLY, READ_WRITE

ABI_1 = (
    "execute",
    "write_file",
    "read_file",
    "read_dir",
    "remove_dir",
    "remove_file",
    "make_char",
    "make_dir",
    "make_reg",
    "make_sock",
    "make_fifo",
    "make_block",
    "make_sym",
)
ABI_2 = (*ABI_1, "refer")
ABI_3 = (*ABI_2, "truncate")
ABI_5 = (*ABI_3, "ioctl_dev")
ABI_9 = (*ABI_5, "resolve_unix")
TCP = ("bind_tcp", "connect_tcp")
UDP = ("bind_udp", "connect_send_udp")
SCOPES = ("abstract_unix_socket", "signal")

# abi, filesystem, network (wanted: tcp and udp), scopes
TABLE = [
    (0, (), (), ()),
    (1, ABI_1, (), ()),
    (2, ABI_2, (), ()),
    (3, ABI_3, (), ()),
    (4, ABI_3, TCP, ()),
    (5, ABI_5, TCP, ()),
    (6, ABI_5, TCP, SCOPES),
    (7, ABI_5, TCP, SCOPES),
    (8, ABI_5, TCP, SCOPES),
    (9, ABI_9, TCP, SCOPES),
    (10, ABI_9, (*TCP, *UDP), SCOPES),
    (11, ABI_9, (*TCP, *UDP), SCOPES),
    (12, ABI_9, (*TCP, *UDP), SCOPES),
]

ALL = {right.name for right in RIGHTS}
FS = [right for right in RIGHTS if right.kind == "fs"]
abis = st.integers(0, MAX_ABI + 5)
masks = st.integers(0, (1 << 20) - 1)
modes = st.sampled_from([stat.S_IFREG, stat.S_IFDIR, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK])


def every(result: Handled) -> set[str]:
    return {*result.fs, *result.net, *result.scoped}


@pytest.mark.parametrize(("abi", "fs", "net", "scoped"), TABLE, ids=[f"abi {row[0]}" for row in TABLE])
def test_handled(abi: int, fs: tuple[str, ...], net: tuple[str, ...], scoped: tuple[str, ...]):
    """What each ABI handles when everything is wanted; what it lacks is dropped, whole records with their reason."""
    result = handled(abi, tcp=True, udp=True)
    assert (min(abi, MAX_ABI), fs, net, scoped) == (result.abi, result.fs, result.net, result.scoped)
    assert tuple(right for right in RIGHTS if right.name not in every(result)) == result.dropped


@pytest.mark.parametrize(
    ("tcp", "udp", "net"), [(False, False, ()), (True, False, TCP), (False, True, UDP), (True, True, (*TCP, *UDP))]
)
def test_network_rights_only_where_wanted(tcp: bool, udp: bool, net: tuple[str, ...]):
    """A network right that nobody wants is neither handled nor dropped."""
    assert net == handled(11, tcp=tcp, udp=udp).net
    dropped = {right.name for right in handled(0, tcp=tcp, udp=udp).dropped if right.kind == "net"}
    assert set(net) == dropped


def test_udp_is_not_wanted_by_default():
    """TCP alone is what a sandbox without a network namespace asks for."""
    assert handled(11, tcp=True).net == TCP


@given(abis, st.booleans(), st.booleans())
def test_handled_and_dropped_are_what_was_wanted(abi: int, tcp: bool, udp: bool):
    """Nothing is lost and nothing is in both."""
    result = handled(abi, tcp=tcp, udp=udp)
    dropped = {right.name for right in result.dropped}
    wanted = ALL - (set() if tcp else set(TCP)) - (set() if udp else set(UDP))
    assert wanted == every(result) | dropped
    assert every(result).isdisjoint(dropped)


@given(abis, abis, st.booleans(), st.booleans())
def test_a_newer_abi_handles_no_less(first: int, second: int, tcp: bool, udp: bool):
    """``handled`` only grows with the ABI."""
    older, newer = (handled(abi, tcp=tcp, udp=udp) for abi in sorted((first, second)))
    assert every(older) <= every(newer)


@given(masks)
def test_names_and_mask_are_inverse(bits: int):
    """A mask of known rights survives the way through names; unknown bits are not named."""
    known = bits & mask(right.name for right in FS)
    assert known == mask(names(bits))


@given(st.lists(st.sampled_from([right.name for right in FS])))
def test_names_are_in_table_order(some: list[str]):
    """Names come out once each, in the order of the table."""
    assert tuple(right.name for right in FS if right.name in some) == names(mask(some))


def test_names_of_other_kinds():
    """The same bits mean other rights in other kinds."""
    assert ("execute", "write_file") == names(3)
    assert TCP == names(3, "net")
    assert SCOPES == names(3, "scope")


def test_mask_takes_one_kind():
    """Bits of different kinds must not meet in one mask, nor may a misspelt name pass."""
    with pytest.raises(ValueError, match="kinds"):
        mask(("execute", "bind_tcp"))
    with pytest.raises(KeyError, match="read_fil"):
        mask(("read_fil",))
    assert mask(()) == 0


@pytest.mark.parametrize(
    ("abi", "access", "expected"),
    [
        (1, READ_WRITE, tuple(name for name in ABI_1 if name in READ_WRITE)),
        (3, ("truncate", "write_file"), ("write_file", "truncate")),
        (2, ("truncate",), ()),
        (11, READ_ONLY, ("execute", "read_file", "read_dir")),
        (0, READ_ONLY, ()),
    ],
)
def test_allowed(abi: int, access: tuple[str, ...], expected: tuple[str, ...]):
    """A rule can name what was requested and is handled."""
    assert expected == allowed(access, handled(abi, tcp=True))


@given(masks, modes)
def test_for_inode_never_adds(bits: int, mode: int):
    """Whatever the inode, rights are only taken away, and a second time takes no more."""
    kept = for_inode(bits, mode)
    assert kept & ~bits == 0
    assert kept == for_inode(kept, mode)


@pytest.mark.parametrize("mode", [stat.S_IFREG, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK, stat.S_IFLNK])
def test_files_keep_five_rights(mode: int):
    """On anything but a directory the kernel takes 0xC007; from ABI 9 on resolve_unix too."""
    assert for_inode(0xFFFF, mode | 0o644) == 0xC007
    assert for_inode(0x1FFFF, mode | 0o644) == 0x1C007


def test_directories_keep_everything():
    """Beneath a directory every right means something."""
    assert for_inode(0x1FFFF, stat.S_IFDIR | 0o755) == 0x1FFFF
