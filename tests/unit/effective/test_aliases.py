"""Two names of one folder: by what is mounted where, and by the numbers of files."""

import os

import pytest

from pyopenshell.effective.aliases import AROUND, SAME, WITHIN, Aliases, of_host

MOUNTS = rb"""20 1 8:1 / / rw - ext4 /dev/sda rw
21 20 8:1 /data/kept /alias rw shared:1 - ext4 /dev/sda rw
22 20 8:1 /data/kept/inner /inner rw - ext4 /dev/sda rw
23 20 8:1 /data /around rw - ext4 /dev/sda rw
24 20 8:1 /data/kept /deep/er/down rw - ext4 /dev/sda rw
25 20 8:2 / /disk rw - ext4 /dev/sdb rw
26 20 8:2 /part /data/kept/disk rw - ext4 /dev/sdb rw
27 20 8:1 /data/with\040space /spaced rw - ext4 /dev/sda rw
28 20 0:40 / /covered rw - tmpfs none rw
29 28 8:1 /data/kept /covered rw - ext4 /dev/sda rw
30 28 0:41 / /covered/hidden rw - tmpfs none rw
31 20 0:42 / /data/kept/own rw - tmpfs none rw
"""


def nothing(_path):
    """No numbers: mounts alone tell."""


BY_MOUNTS = Aliases(MOUNTS, nothing)


@pytest.mark.parametrize(
    ("place", "other", "expected"),
    [
        ("/a", "/a", SAME),
        ("/a/b", "/a", WITHIN),
        ("/a", "/a/b", AROUND),
        ("/ab", "/a", None),
        ("/alias", "/data/kept", SAME),
        ("/data/kept", "/alias", SAME),
        ("/alias/x", "/data/kept", WITHIN),
        ("/alias", "/data/kept/x", AROUND),
        ("/alias/x", "/data/kept/y", None),
        ("/inner", "/data/kept", WITHIN),
        ("/data/kept", "/inner", AROUND),
        ("/around", "/data/kept", AROUND),
        ("/around/kept", "/data/kept", SAME),
        ("/around/other", "/data/kept", None),
        ("/deep", "/data/kept", AROUND),  # what is mounted in it
        ("/deep/er/down/x", "/data/kept", WITHIN),
        ("/disk/part", "/data/kept", WITHIN),  # what is mounted in the other
        ("/disk", "/data/kept", AROUND),
        ("/disk/elsewhere", "/data/kept", None),
        ("/spaced", "/data/with space", SAME),
        ("/covered", "/data/kept", SAME),  # by what lies above
        ("/covered/x", "/data/kept", WITHIN),
        ("/covered/hidden", "/data/kept", WITHIN),
        ("/data/kept/own", "/alias/own", None),  # another file system covers it
        ("/data/later/x", "/around/later", WITHIN),  # nothing is there yet
        ("/alias", "/inner/x", AROUND),
        ("/", "/alias", AROUND),
    ],
)
def test_what_is_mounted_a_second_time(place, other, expected):
    """Of the whole, of a part, of what holds it, on either side; each name stands for itself too."""
    assert expected == BY_MOUNTS.relation(place, other)


def test_the_numbers_of_files():
    """Names that differ and mean one folder (case, or a file system that is mounted by itself), with what is in it."""
    numbers = {"/": (1, 2), "/Data": (1, 3), "/data": (1, 3), "/data/x": (1, 4), "/Data/X": (1, 4), "/b": (2, 3)}
    aliases = Aliases(b"", numbers.get)
    assert [SAME, WITHIN, AROUND, None] == [
        aliases.relation(*pair)
        for pair in (("/Data", "/data"), ("/Data/absent", "/data"), ("/Data", "/data/x"), ("/b", "/data"))
    ]
    assert [SAME, WITHIN] == [aliases.relation("/Data/X", "/data/x"), aliases.relation("/Data/X/y", "/data/x")]


def test_without_mounts_and_numbers():
    """The paths alone: where there is no procfs, and nothing is there."""
    aliases = Aliases(b"", nothing)
    assert [WITHIN, None] == [aliases.relation("/a/b", "/a"), aliases.relation("/b", "/a")]


def test_this_host(tmp_path):
    """A hard link of a file is the file; a folder beside it is another one; / holds all."""
    (tmp_path / "file").write_text("")
    os.link(tmp_path / "file", tmp_path / "link")
    aliases = of_host()
    assert SAME == aliases.relation(str(tmp_path / "link"), str(tmp_path / "file"))
    assert None is aliases.relation(str(tmp_path / "beside"), str(tmp_path / "file"))
    assert (AROUND, WITHIN) == (aliases.relation("/", str(tmp_path)), aliases.relation(str(tmp_path), "/"))
