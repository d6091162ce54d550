"""Transfers, both ways: what goes in comes out, where it goes, what is left out, and what is never followed."""

import os
import random
import shutil
import stat
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyopenshell.gateway.files.remote import CHUNK
from pyopenshell.gateway.files.words import FilesError
from tests.unit.gateway.files.transfers import transfer, tree

NAMES = st.binary(min_size=1, max_size=8).filter(lambda name: not {0, 47} & set(name) and name not in (b".", b".."))
TIMES = st.integers(min_value=-(10**18), max_value=4 * 10**18)
FILES = st.tuples(st.just("file"), st.binary(max_size=100), st.integers(0, 0o1777), TIMES)
LINKS = st.tuples(st.just("link"), st.binary(min_size=1, max_size=20).filter(lambda target: 0 not in target))
TREES = st.recursive(
    st.one_of(FILES, LINKS),
    lambda inner: st.tuples(st.just("folder"), st.dictionaries(NAMES, inner, max_size=5), st.integers(0, 0o777), TIMES),
    max_leaves=12,
)


def make(path, node):
    """Make what a node of ``TREES`` says."""
    kind, *values = node
    if kind == "link":
        os.symlink(values[0], path)
        return
    if kind == "folder":
        os.mkdir(path)
        for name, inner in values[0].items():
            make(os.path.join(os.fsencode(path), name), inner)
    else:
        with open(path, "wb") as file:
            file.write(values[0])
    os.chmod(path, values[1])
    os.utime(path, ns=(values[2], values[2]))


@pytest.mark.parametrize("up", [True, False])
@given(node=st.dictionaries(NAMES, TREES, max_size=5))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_goes_in_comes_out(tmp_path, up, node):
    """Any tree arrives as it is: names of any bytes, contents, links, modes without the set-id bits, times."""
    if os.geteuid() != 0:
        node = readable(node)
    place = Path(tempfile.mkdtemp(dir=tmp_path))
    make(place / "source", ("folder", node, 0o755, 0))
    (place / "target").mkdir()
    _, notices = transfer(str(place / "source"), str(place / "target"), "", "source", up=up)
    assert [] == notices
    assert tree(place / "source") == tree(place / "target/source")
    shutil.rmtree(place)


def readable(node):
    """The same with nothing closed to its owner: only root reads that."""
    return {
        name: (inner[0], readable(inner[1]) if inner[0] == "folder" else inner[1], inner[2] | 0o700, inner[3])
        if len(inner) > 2
        else inner
        for name, inner in node.items()
    }


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 12 * CHUNK + 7])
@pytest.mark.parametrize("up", [True, False])
def test_files_of_every_length(tmp_path, size, up):
    """No byte is lost where one chunk ends and the next begins."""
    data = random.Random(size).randbytes(size)
    (tmp_path / "a").write_bytes(data)
    (tmp_path / "to").mkdir()
    summary, _ = transfer(str(tmp_path / "a"), str(tmp_path / "to"), "", "a", up=up)
    assert (1, 0, size) == (summary.files, summary.folders, summary.bytes)
    assert data == (tmp_path / "to/a").read_bytes()


@pytest.mark.parametrize(
    ("destination", "name", "kind", "expected"),
    [
        ("", "a", "file", "a"),
        ("there", "a", "file", "there/a"),
        ("there/", "a", "file", "there/a"),
        ("new", "a", "file", "new"),
        ("new/", "a", "file", "new/a"),
        ("x/y/new", "a", "file", "x/y/new"),
        ("link", "a", "file", "there/a"),
        ("old", "a", "file", "old"),
        ("", "a", "folder", "a/f"),
        ("there", "a", "folder", "there/a/f"),
        ("new", "a", "folder", "new/f"),
        ("new/", "a", "folder", "new/a/f"),
        ("link", "a", "folder", "there/a/f"),
        ("there", "", "folder", "there/f"),
        ("link", "", "folder", "there/f"),
        ("", "", "folder", "f"),
    ],
)
def test_where_it_goes(tmp_path, destination, name, kind, expected):
    """A destination means what it means to cp(1); folders on the way are made."""
    source, target = tmp_path / "source", tmp_path / "target"
    (target / "there").mkdir(parents=True)
    (target / "link").symlink_to("there")
    (target / "old").write_text("old")
    if kind == "folder":
        source.mkdir()
        (source / "f").write_text("new")
    else:
        source.write_text("new")
    summary, _ = transfer(str(source), str(target), destination, name)
    assert "new" == (target / expected).read_text()
    assert os.path.realpath(target / (expected if kind == "file" else os.path.dirname(expected))) == os.fsdecode(
        summary.path
    )


@pytest.mark.parametrize(
    ("destination", "name", "kind", "message"),
    [
        ("there", "", "file", "Is a directory"),
        ("old/", "a", "file", "Not a directory"),
        ("old", "a", "folder", "Not a directory"),
        ("old/deeper/still", "a", "file", "Not a directory"),
        ("there", "taken", "file", "Is a directory"),
        ("there", "link", "folder", "Not a directory"),
    ],
)
def test_where_it_cannot_go(tmp_path, destination, name, kind, message):
    """A file does not become a folder, nor a folder a file, and a link beneath the destination is not followed."""
    source, target = tmp_path / "source", tmp_path / "target"
    (target / "there/taken").mkdir(parents=True)
    (target / "there/link").symlink_to("taken")
    (target / "old").write_text("old")
    if kind == "folder":
        source.mkdir()
    else:
        source.write_text("new")
    before = tree(target)
    with pytest.raises(FilesError, match=message):
        transfer(str(source), str(target), destination, name)
    assert before.keys() == tree(target).keys()


def test_what_is_there_is_replaced_whole(tmp_path):
    """A file, and a link itself, give way to what has their name; a folder takes entries in and keeps its mode."""
    source, target = tmp_path / "source", tmp_path / "target"
    for folder in (source / "d", target / "d"):
        folder.mkdir(parents=True)
    (source / "d/a").write_text("new")
    (source / "d/link").symlink_to("new")
    (source / "l").write_text("new")
    (target / "outside").write_text("outside")
    (target / "l").symlink_to("outside")
    (target / "d/a").write_text("old")
    (target / "d/link").write_text("old")
    (target / "d/kept").write_text("kept")
    (target / "d").chmod(0o750)
    transfer(str(source), str(target), "", "")
    assert "outside" == (target / "outside").read_text()
    assert ("new", "new", "kept") == tuple((target / name).read_text() for name in ("l", "d/a", "d/kept"))
    assert "new" == os.readlink(target / "d/link")
    assert 0o750 == stat.S_IMODE((target / "d").stat().st_mode)


def test_special_files_are_left_out(tmp_path):
    """A FIFO is passed over and told; nothing waits for its other end."""
    (tmp_path / "source").mkdir()
    os.mkfifo(tmp_path / "source/fifo")
    (tmp_path / "source/z").touch()
    (tmp_path / "target").mkdir()
    _, notices = transfer(str(tmp_path / "source"), str(tmp_path / "target"), "", "a")
    assert [(b"fifo", False)] == notices
    assert ["z"] == os.listdir(tmp_path / "target/a")
    with pytest.raises(FilesError, match="neither a file nor a folder"):
        transfer(str(tmp_path / "source/fifo"), str(tmp_path / "target"), "", "a")


def test_set_id_bits_are_dropped(tmp_path):
    """Neither set-user-id nor set-group-id arrives, on files and folders."""
    (tmp_path / "source").mkdir()
    (tmp_path / "source/a").touch()
    (tmp_path / "source/a").chmod(0o6755)
    (tmp_path / "source").chmod(0o2755)
    (tmp_path / "target").mkdir()
    transfer(str(tmp_path / "source"), str(tmp_path / "target"), "", "a")
    assert [0o755, 0o755] == [stat.S_IMODE((tmp_path / "target" / name).stat().st_mode) for name in ("a", "a/a")]


def test_a_file_that_tells_no_size(tmp_path):
    """Files of procfs have none, and are read to their end."""
    (tmp_path / "target").mkdir()
    transfer("/proc/version", str(tmp_path / "target"), "", "version")
    with open("/proc/version", "rb") as file:
        assert file.read() == (tmp_path / "target/version").read_bytes()


@pytest.mark.parametrize("after", [1, 5 * CHUNK])
def test_a_file_that_changes_meanwhile(tmp_path, after):
    """Shorter or longer than it said: what comes is no more than was said, that is told, and the rest goes on."""
    source = tmp_path / "source"
    source.mkdir()
    (tmp_path / "target").mkdir()
    (source / "a").write_bytes(bytes(3 * CHUNK))
    (source / "b").write_text("b")

    def change(frame):
        if frame.entry.path == b"a":
            os.truncate(source / "a", after)

    _, notices = transfer(str(source), str(tmp_path / "target"), "", "a", seen=change)
    assert [(b"a", False)] == notices
    assert min(after, 3 * CHUNK) == (tmp_path / "target/a/a").stat().st_size
    assert "b" == (tmp_path / "target/a/b").read_text()


def test_what_is_replaced_by_a_link_meanwhile_is_not_followed(tmp_path):
    """Between the look at a folder and the opening of a file in it, a program may put a link there."""
    source = tmp_path / "source"
    source.mkdir()
    (tmp_path / "target").mkdir()
    (tmp_path / "secret").write_text("secret")
    (source / "a").touch()
    (source / "b").touch()
    (source / "c").mkdir()

    def replace(frame):
        if frame.entry.path == b"a":
            (source / "b").unlink()
            (source / "b").symlink_to(tmp_path / "secret")
            (source / "c").rmdir()
            (source / "c").symlink_to(tmp_path)

    _, notices = transfer(str(source), str(tmp_path / "target"), "", "a", up=False, seen=replace)
    assert [(b"b", True), (b"c", True)] == notices
    assert ["a"] == os.listdir(tmp_path / "target/a")
