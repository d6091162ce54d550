"""A plan is used again only where all that it depends on is as it was."""

import os
import socket
from typing import Any

import pytest

from pyopenshell.launch import sockets
from pyopenshell.planning import RunRequest, plan
from pyopenshell.policy import load
from pyopenshell.zygote import stamp
from tests.unit.zygote import plans

POLICY = """
version: 1
filesystem_policy:
  read_only: [{here}/file, {here}/folder, {here}/link, {here}/missing]
  read_write: [{here}/writable]
  include_workdir: true
"""


@pytest.fixture
def place(open_folder, monkeypatch):
    """A folder with all that a policy of these tests names, its programs and accounts; sockets do not change."""
    (open_folder / "file").write_text("x")
    for name in ("folder", "other", "writable", "bin", "work", "devices"):
        (open_folder / name).mkdir(mode=0o755)
        os.chmod(open_folder / name, 0o755)
    (open_folder / "link").symlink_to(open_folder / "folder")
    (open_folder / "passwd").write_text("")
    (open_folder / "scope").write_text("1")
    monkeypatch.setenv("PATH", f"{open_folder}/bin:/usr/bin:/bin")
    monkeypatch.setattr(stamp, "ACCOUNTS", (f"{open_folder}/passwd",))
    monkeypatch.setattr(stamp, "DEVICES", (f"{open_folder}/devices",))
    monkeypatch.setattr(stamp, "SCOPE", f"{open_folder}/scope")
    seen = sockets.bound()
    monkeypatch.setattr(sockets, "bound", lambda: seen)
    return open_folder


def taken(place, **request):
    """Plan a sandbox for a folder whose policy stands in a file, and return what the plan depends on."""
    text = POLICY.format(here=place)
    (place / "policy.yaml").write_text(text)
    policy = load.parse(text.encode(), str(place / "policy.yaml"))
    fields: dict[str, Any] = {
        "command": (),
        "programs": plans.PROGRAMS,
        "policy": policy,
        "workdir": str(place / "work"),
    }
    return stamp.take(plan(RunRequest(**(fields | request))))


def chmod(path):
    """Change a mode."""
    os.chmod(path, os.stat(path).st_mode ^ 0o007)


def replace(path):
    """Put another file in a file's place, with the same mode."""
    other = path.with_name("new")
    if path.is_dir():
        other.mkdir()
        os.chmod(other, os.stat(path).st_mode)
        path.rename(path.with_name("old"))
    else:
        other.write_text("x")
    other.rename(path)


def retarget(path):
    """Let a symbolic link lead elsewhere."""
    path.unlink()
    path.symlink_to(path.with_name("other"))


def program(path):
    """Put a program there, which may be of any name."""
    path.write_text("#!/bin/sh\n")
    os.chmod(path, 0o755)


CHANGES = {
    "mode of a file": lambda place: chmod(place / "file"),
    "mode of a folder": lambda place: chmod(place / "folder"),
    "mode of what is written": lambda place: chmod(place / "writable"),
    "mode of the working directory": lambda place: chmod(place / "work"),
    "another file": lambda place: replace(place / "file"),
    "another folder": lambda place: replace(place / "folder"),
    "another working directory": lambda place: replace(place / "work"),
    "a file gone": lambda place: (place / "file").unlink(),
    "a missing file there": lambda place: (place / "missing").write_text(""),
    "a loop where nothing was": lambda place: (place / "missing").symlink_to(place / "missing"),
    "another target": lambda place: retarget(place / "link"),
    "a program": lambda place: program(place / "bin" / "python3"),
    "mode of a folder of programs": lambda place: chmod(place / "bin"),
    "an account": lambda place: (place / "passwd").write_text("somebody"),
    "accounts replaced": lambda place: replace(place / "passwd"),
    "scope of traces": lambda place: (place / "scope").write_text("2"),
    "mode of the policy": lambda place: chmod(place / "policy.yaml"),
    "mode of the policy's folder": chmod,
}


def test_nothing_changed(place):
    """Then it holds, as often as one looks; also where what is in files and folders changed."""
    seen = taken(place)
    assert seen.holds()
    (place / "file").write_text("other content")
    (place / "folder" / "new").write_text("x")
    (place / "unrelated").write_text("x")
    assert seen.holds()


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_noticed(place, change):
    """Of each thing that a plan follows from."""
    seen = taken(place)
    CHANGES[change](place)
    assert not seen.holds()


def test_a_working_directory_without_a_grant(place):
    """Also where the policy gives nothing there: whose it is decides who the sandbox is."""
    policy = load.parse(b"version: 1\nfilesystem_policy: {include_workdir: false}\n")
    for change in (chmod, replace):
        seen = taken(place, policy=policy)
        assert seen.holds()
        change(place / "work")
        assert not seen.holds()


def test_another_owner_is_noticed(place):
    """Of a file, and of a file's group."""
    if os.geteuid() != 0:
        pytest.skip("needs: root")
    for uid, gid in ((1, -1), (-1, 1)):
        seen = taken(place)
        os.chown(place / "file", uid, gid)
        assert not seen.holds()


def test_a_socket_is_noticed(place, monkeypatch):
    """One with a path, to which a sandbox might connect, and its end."""
    monkeypatch.undo()
    before = sockets.bound()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(place / "socket"))
        server.listen()
        assert str(place / "socket") in sockets.bound()[0] - before[0]
    assert str(place / "socket") not in sockets.bound()[0]
    for other in ((before[0] | {"/made/up"}, before[1]), (before[0], before[1] | {"relative"})):
        monkeypatch.setattr(sockets, "bound", lambda: before)
        seen = taken(place)
        assert seen.sockets == before
        monkeypatch.setattr(sockets, "bound", lambda other=other: other)
        assert not seen.holds()


def test_a_device_is_noticed_where_it_is_spoken_of(place):
    """By sandboxes with the GPU's runtime; to others it is nothing."""
    seen, other = taken(place, gpu=0), taken(place)
    (place / "devices" / "nvidia7").write_text("")
    assert not seen.holds()
    assert other.holds()


def test_a_missing_list_is_no_other(place):
    """Where a kernel has no scope of traces, and a host no accounts."""
    (place / "scope").unlink()
    (place / "passwd").unlink()
    seen = taken(place)
    assert seen.holds()
    (place / "passwd").write_text("")
    assert not seen.holds()


@pytest.mark.parametrize("request_", [{}, {"gpu": 0}, {"max_abi": 1}, {"env": ("A=b",)}, {"name": "chosen"}], ids=str)
def test_what_is_used_again(workdir, request_):
    """Not what holds something for one sandbox, or asks others."""
    planned = plans.planned(workdir, **request_)
    assert planned.host.namespaces.pid == stamp.is_lasting(planned)
    for other in (
        planned.replace(identity_lock=3),
        planned.replace(private=planned.private.replace(host=True)),
        planned.replace(request=planned.request.replace(gpu=1)),
        planned.replace(request=planned.request.replace(gpu=-1)),
        planned.replace(request=planned.request.replace(devices=("a/b=c",))),
        planned.replace(host=planned.host.replace(namespaces=planned.host.namespaces.replace(pid=False))),
    ):
        assert not stamp.is_lasting(other)
