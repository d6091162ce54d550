"""The table of rights against the kernel's headers and against itself."""

from __future__ import annotations

import pytest

from pyopenshell.landlock.abi import MAX_ABI, RIGHTS, Right
from pyopenshell.policy import access
from tests.unit.kernel import headers

MACRO = {"fs": "LANDLOCK_ACCESS_FS_", "net": "LANDLOCK_ACCESS_NET_", "scope": "LANDLOCK_SCOPE_"}
# Later than the oldest header these tests run with (ABI 2): linux/landlock.h of Linux 7.2.
NEWER = {
    "truncate": 1 << 14,
    "ioctl_dev": 1 << 15,
    "resolve_unix": 1 << 16,
    "bind_tcp": 1 << 0,
    "connect_tcp": 1 << 1,
    "bind_udp": 1 << 2,
    "connect_send_udp": 1 << 3,
    "abstract_unix_socket": 1 << 0,
    "signal": 1 << 1,
}


def test_bits_are_the_headers():
    """Every right's bit is the header's, or the listed one where the header is older."""
    macros = {MACRO[right.kind] + right.name.upper(): right for right in RIGHTS}
    told = headers.constants(["linux/landlock.h"], macros)
    assert len(told) >= 14
    assert {right.name: told.get(macro, NEWER.get(right.name)) for macro, right in macros.items()} == {
        right.name: right.bit for right in RIGHTS
    }


def test_names_and_bits_are_unique():
    """No name occurs twice, and no bit within a kind."""
    assert len(RIGHTS) == len({right.name for right in RIGHTS})
    assert len(RIGHTS) == len({(right.kind, right.bit) for right in RIGHTS})


@pytest.mark.parametrize("kind", MACRO)
def test_order(kind: str):
    """Within a kind the rights stand in the order of bits, and of the ABIs that brought them."""
    rights = [right for right in RIGHTS if right.kind == kind]
    assert sorted(rights, key=lambda right: right.bit) == rights
    assert sorted(rights, key=lambda right: right.abi) == rights
    assert [1 << number for number in range(len(rights))] == [right.bit for right in rights]


@pytest.mark.parametrize(
    ("abi", "names"),
    [
        (2, ["refer"]),
        (3, ["truncate"]),
        (4, ["bind_tcp", "connect_tcp"]),
        (5, ["ioctl_dev"]),
        (6, ["abstract_unix_socket", "signal"]),
        (7, []),
        (8, []),
        (9, ["resolve_unix"]),
        (10, ["bind_udp", "connect_send_udp"]),
        (11, []),
    ],
)
def test_what_each_abi_brought(abi: int, names: list[str]):
    """landlock(7), section VERSIONS."""
    assert names == [right.name for right in RIGHTS if right.abi == abi]
    assert abi <= MAX_ABI


@pytest.mark.parametrize("right", RIGHTS, ids=lambda right: right.name)
def test_consequence_is_a_sentence(right: Right):
    """An operator can read what a missing right means."""
    assert right.consequence[0].isupper()
    assert right.consequence.endswith(".")


def test_refer_is_the_other_way_round():
    """Without ABI 2 nothing is opened up: moving between folders is always denied."""
    (refer,) = (right for right in RIGHTS if right.name == "refer")
    assert "always denied" in refer.consequence


def test_the_words_of_a_policy_are_rights():
    """What read_only, read_write, devices and thread names grant are all rights of files and folders."""
    fs = {right.name for right in RIGHTS if right.kind == "fs"}
    words = (access.READ_ONLY, access.READ_WRITE, access.DEVICE, access.THREAD_NAMES)
    assert fs.issuperset(name for word in words for name in word)
    assert {"make_char", "make_block"}.isdisjoint(access.READ_WRITE)
