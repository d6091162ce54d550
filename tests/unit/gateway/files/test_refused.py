"""Frames that no honest side sends: each is refused with words, and leaves nothing outside, and nothing half."""

import os

import pytest

from pyopenshell.errors import OpenShellError
from pyopenshell.gateway.files.order import MAX_DEPTH, Disorder, Order
from pyopenshell.gateway.files.words import FilesError
from pyopenshell.gateway.proto.files_pb2 import (
    FILE_KIND_FILE,
    FILE_KIND_FOLDER,
    FILE_KIND_LINK,
    FileEnd,
    FileEntry,
    FileFrame,
    TransferSummary,
    UploadStart,
)
from tests.unit.gateway.files.transfers import receive


def folder(path=b""):
    """A folder's entry."""
    return FileFrame(entry=FileEntry(path=path, kind=FILE_KIND_FOLDER, mode=0o755))


def link(path, target):
    """A link's entry."""
    return FileFrame(entry=FileEntry(path=path, kind=FILE_KIND_LINK, target=target))


def file(path=b"", size=1):
    """A file's entry, without data and end."""
    return FileFrame(entry=FileEntry(path=path, kind=FILE_KIND_FILE, mode=0o644, size=size))


def whole(path=b""):
    """A file with one byte."""
    return [file(path), FileFrame(data=b"x"), FileFrame(end=FileEnd())]


ROOT = folder()
HOSTILE = {
    "a path upwards": [ROOT, *whole(b"../evil")],
    "a path upwards in between": [ROOT, folder(b"a"), *whole(b"a/../../evil")],
    "an absolute path": [ROOT, *whole(b"/tmp/evil")],
    "a dot": [ROOT, *whole(b".")],
    "an empty part": [ROOT, folder(b"a"), *whole(b"a//evil")],
    "a slash behind": [ROOT, folder(b"a/")],
    "a NUL": [ROOT, *whole(b"a\0b")],
    "a long name": [ROOT, *whole(b"a" * 256)],
    "a long path": [ROOT, *whole(b"/".join([b"a" * 255] * 17))],
    "a second root": [ROOT, ROOT],
    "a first that is not the root": whole(b"a"),
    "beneath a link": [ROOT, link(b"a", b"/etc"), *whole(b"a/evil")],
    "beneath a file": [ROOT, *whole(b"a"), *whole(b"a/evil")],
    "beneath what was never named": [ROOT, *whole(b"a/evil")],
    "beneath the root that is a file": [*whole(), *whole(b"evil")],
    "twice": [ROOT, *whole(b"a"), *whole(b"a")],
    "first a link, then a file through it": [ROOT, link(b"a", b"../evil"), *whole(b"a")],
    "twice, apart": [ROOT, *whole(b"a"), folder(b"b"), *whole(b"a")],
    "a folder that is over": [ROOT, folder(b"a"), folder(b"b"), *whole(b"a/evil")],
    "a root that is a link": [link(b"", b"/etc")],
    "a kind that there is not": [FileFrame(entry=FileEntry(path=b"", kind=9))],  # type: ignore[arg-type]
    "no kind": [FileFrame(entry=FileEntry(path=b""))],
    "data before a file": [ROOT, FileFrame(data=b"x")],
    "data of a folder": [ROOT, folder(b"a"), FileFrame(data=b"x")],
    "more data than announced": [file(), FileFrame(data=b"xy"), FileFrame(end=FileEnd())],
    "an end of nothing": [ROOT, FileFrame(end=FileEnd())],
    "an entry inside a file": [ROOT, file(b"a"), *whole(b"b")],
    "a file without end": [ROOT, file(b"a"), FileFrame(data=b"x")],
    "nothing": [],
    "a start in between": [ROOT, FileFrame(start=UploadStart())],
    "a summary": [ROOT, FileFrame(summary=TransferSummary())],
    "an empty frame": [ROOT, FileFrame()],
    "too deep": [folder(b"/".join([b"a"] * depth)) for depth in range(MAX_DEPTH + 2)],
}


@pytest.mark.parametrize("frames", HOSTILE.values(), ids=HOSTILE)
def test_hostile_transfers_are_refused(tmp_path, frames):
    """Whatever is out of order ends the transfer; nothing appears outside the destination, and no half file in it."""
    (tmp_path / "cwd").mkdir()
    with pytest.raises(Disorder) as caught:
        receive(tmp_path / "cwd", frames, b"in", b"")
    assert caught.value.message
    assert ["cwd"] == os.listdir(tmp_path)
    assert not os.path.exists("/tmp/evil")
    assert not [name for _, _, names in os.walk(tmp_path) for name in names if name.startswith(".openshell")]
    assert not os.path.lexists(tmp_path / "cwd/evil")


@pytest.mark.parametrize("name", [b"..", b".", b"a/b", b"/etc", b"a\0"])
def test_the_name_beneath_the_destination_is_one(tmp_path, name):
    """A client cannot leave its destination by the name of what it sends."""
    with pytest.raises(Disorder):
        receive(tmp_path, [ROOT], b"", name)


def test_links_that_are_there_are_not_followed(tmp_path):
    """A link in the destination, as an earlier transfer may have left it, is no way out of it."""
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    (inside / "a").symlink_to(outside)
    with pytest.raises(FilesError, match="Not a directory"):
        receive(inside, [ROOT, folder(b"a"), *whole(b"a/evil")])
    receive(inside, [ROOT, *whole(b"a")])
    assert [] == os.listdir(outside)
    assert "x" == (inside / "a").read_text()


def test_links_that_point_outside_stay_links(tmp_path):
    """They are made as they are: what they mean, the kernel says to whoever follows them."""
    receive(tmp_path, [ROOT, link(b"a", b"/etc/passwd"), link(b"b", b"../../x")])
    assert ["/etc/passwd", "../../x"] == [os.readlink(tmp_path / name) for name in ("a", "b")]


def test_a_file_with_a_problem_does_not_appear(tmp_path):
    """What could not be read to its end is dropped, and the rest goes on."""
    broken = [file(b"a", 10), FileFrame(data=b"x"), FileFrame(end=FileEnd(problem="read error"))]
    summary = receive(tmp_path, [ROOT, *broken, *whole(b"b")])
    assert ["b"] == os.listdir(tmp_path)
    assert (1, 1) == (summary.files, summary.bytes)


def test_no_room_is_told_before_it_is_tried(tmp_path):
    """A file larger than the file system, which costs nothing to announce, does not fill it."""
    with pytest.raises(FilesError, match="No space left"):
        receive(tmp_path, [ROOT, file(b"huge", 1 << 60)])
    assert [] == os.listdir(tmp_path)


def test_there_is_a_last_entry(monkeypatch):
    """A transfer cannot go on without end."""
    monkeypatch.setattr("pyopenshell.gateway.files.order.MAX_ENTRIES", 3)
    order = Order()
    order.enter(b"", is_folder=True)
    order.enter(b"a", is_folder=False)
    order.enter(b"b", is_folder=False)
    with pytest.raises(OpenShellError, match="more than 3 files"):
        order.enter(b"c", is_folder=False)


def test_the_order_is_that_of_bytes():
    """A folder and the names next to it: `a`, what is in it, `a.b`, `b`; as the other end sorts them."""
    order = Order()
    walk = [
        (b"", True),
        (b"a", True),
        (b"a/z", True),
        (b"a/z/0", False),
        (b"a.b", False),
        (b"b", True),
        (b"b/a", False),
    ]
    assert [(0, b""), (1, b"a"), (2, b"z"), (3, b"0"), (1, b"a.b"), (1, b"b"), (2, b"a")] == [
        order.enter(path, is_folder=is_folder) for path, is_folder in walk
    ]
