"""Sandboxes made in advance: nobody can tell them from others, and nothing that changed since is missed."""

import json
import os
import pathlib
import select
import shutil
import socket
import subprocess
import time

import pytest

from pyopenshell import Policy, Sandbox, runs
from pyopenshell.zygote import spare
from tests.confined.launch import world
from tests.confined.zygote.conftest import program, sh

SECONDS = 20


def nursery_of(box):
    """The process that forks sandboxes."""
    zygote = box._link.zygote.pid
    with open(f"/proc/{zygote}/task/{zygote}/children", encoding="ascii") as file:
        return int(file.read().split()[0])


def children(pid):
    """The children of a process."""
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return {int(word) for word in file.read().split()}


class Home:
    """Makes sandboxes one after the other, and knows which of them were made in advance."""

    def __init__(self, options, first):
        self.options = options
        self.nursery = nursery_of(first)

    def prepared(self, **changes):
        """Use a plan until a sandbox waits; return its first process."""
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            with Sandbox(**self.options | changes) as box:
                before = children(self.nursery) | {box.pid}
            with Sandbox(**self.options | changes) as box:
                found = children(self.nursery) - before - {box.pid}
                if box.effective.isolation["pid"].state != "private":
                    pytest.skip("needs: namespaces")
            if found:
                return found.pop()
        raise AssertionError("none was made in advance")


@pytest.fixture
def home(options):
    """A sandbox that keeps the zygote, and what makes others."""
    with Sandbox(**options) as first:
        yield Home(options, first)


def gone(pid):
    """Wait until a process has ended."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    ended = bool(select.select([fd], [], [], SECONDS)[0])
    os.close(fd)
    return ended


def test_one_that_waits_is_used(home, options):
    """By whoever asks for one like the last; its record is of its own name and id, written when it got them."""
    waiting = home.prepared()
    with Sandbox(name="adopts", **options) as box:
        assert waiting == box.pid
        assert "hello\n" == box.run(["echo", "hello"]).stdout
        assert "adopts" == runs.find(box.run_id).name
        assert box.effective.digest == box.receipt["effective_digest"]
        assert f"SUCCESS adopts [run:{box.run_id} " in pathlib.Path(box.record, "events.log").read_text()
    assert gone(waiting)


def test_its_digest_is_that_of_a_sandbox_of_that_name(home, options):
    """Whether it was planned for that name or got it later."""
    digests = set()
    for prepare in (False, True, True):
        if prepare:
            waiting = home.prepared()
        with Sandbox(name="named", **options) as box:
            digests.add(box.effective.digest)
            assert not prepare or waiting == box.pid
    assert 1 == len(digests)


def test_it_is_not_used_for_another_wish(home, options):
    """Another policy, another folder, other variables: nothing of it is that of the plan before."""
    waiting = home.prepared()
    with Sandbox(env={"OTHER": "1"}, **options) as box:
        assert waiting != box.pid
        assert "1\n" == box.run(sh("echo $OTHER")).stdout
    policy = Policy.from_dict({"version": 1, "filesystem_policy": {"include_workdir": False}})
    with Sandbox(policy, **options) as box:
        assert waiting != box.pid
        box.run(sh("echo x > new"))
        assert not (options["workdir"] / "new").exists()


def test_it_is_seen_by_nobody_and_ends_soon(home, openshell):
    """No name, no record; after a second without a use it is gone."""
    before = len(runs.list_runs())
    waiting = home.prepared()
    made = len(runs.list_runs())
    listed = json.loads(openshell("sandbox", "list", "-o", "json").stdout)
    assert made == len(listed)
    assert 0 == sum(one["state"] == "starting" for one in listed)
    assert before < made
    began = time.monotonic()
    assert gone(waiting)
    assert time.monotonic() - began < spare.SOON + SECONDS / 2


@pytest.fixture
def place(open_folder):
    """A folder that a policy of these tests names, and a sandbox's options for it."""
    (open_folder / "inner").mkdir()
    (open_folder / "inner" / "file").write_text("old\n")
    for path in (open_folder / "inner", open_folder / "inner" / "file"):
        os.chmod(path, 0o755)
    return open_folder


def policy_for(place):
    """A policy that lets a folder be read."""
    return Policy.from_dict({"version": 1, "filesystem_policy": {"read_only": [str(place / "inner")]}})


def read(place, options):
    """What a new sandbox reads there, and its first process."""
    with Sandbox(policy_for(place), **options) as box:
        return box.run(sh(f"cat {place}/inner/file || echo denied")).stdout, box.pid


def test_a_folder_that_was_replaced_is_the_new_one(home, options, place):
    """A rule is about a folder, not its name."""
    waiting = home.prepared(policy=policy_for(place))
    shutil.move(place / "inner", place / "old")
    (place / "inner").mkdir(mode=0o755)
    (place / "inner" / "file").write_text("new\n")
    for path in (place / "inner", place / "inner" / "file"):
        os.chmod(path, 0o755)
    told, pid = read(place, options)
    assert ("new\n", True) == (told, pid != waiting)


def test_a_mode_that_was_changed_is_reported(home, options, place):
    """What file modes deny is in the report of the next one."""
    home.prepared(policy=policy_for(place))
    os.chmod(place / "inner", 0)
    with Sandbox(policy_for(place), **options) as box:
        states = {grant.path: grant.status for grant in box.effective.grants}
        assert "blocked" == states[str(place / "inner")]
        assert not box.run(["cat", f"{place}/inner/file"]).ok
    os.chmod(place / "inner", 0o755)


def test_something_mounted_is_there(home, options, place):
    """Over a folder that is granted, after the sandbox was made."""
    world.needs_root()
    waiting = home.prepared(policy=policy_for(place))
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", place / "inner"], check=True)
    try:
        (place / "inner" / "file").write_text("mounted\n")
        os.chmod(place / "inner" / "file", 0o755)
        told, pid = read(place, options)
    finally:
        subprocess.run(["umount", "-l", place / "inner"], check=True)
    assert ("mounted\n", True) == (told, pid != waiting)
    assert "old\n" == read(place, options)[0]


def test_something_mounted_beneath_is_there(home, options, place):
    """Where no path that is named changes."""
    world.needs_root()
    (place / "inner" / "deeper").mkdir(mode=0o755)
    os.chmod(place / "inner" / "deeper", 0o755)
    home.prepared(policy=policy_for(place))
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", place / "inner" / "deeper"], check=True)
    try:
        (place / "inner" / "deeper" / "file").write_text("mounted\n")
        with Sandbox(policy_for(place), **options) as box:
            assert "mounted\n" == box.run(["cat", f"{place}/inner/deeper/file"]).stdout
    finally:
        subprocess.run(["umount", "-l", place / "inner" / "deeper"], check=True)


def test_an_earlier_program_is_found(home, options, workdir, monkeypatch):
    """One that appeared in a folder of PATH; and another PATH."""
    (workdir / "bin").mkdir()
    os.chmod(workdir / "bin", 0o755)
    monkeypatch.setenv("PATH", f"{workdir}/bin:{os.environ['PATH']}")
    home.prepared()
    program(workdir / "bin" / "true", "#!/bin/sh\necho ours\n")
    with Sandbox(**options) as box:
        assert "ours\n" == box.run(["true"]).stdout
    home.prepared()
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    with Sandbox(**options) as box:
        assert "" == box.run(["true"]).stdout


def test_a_new_socket_is_told(home, options, place):
    """The report names the host's sockets that a sandbox can see."""
    home.prepared(policy=policy_for(place))
    path = place / "inner" / "socket"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        os.chmod(path, 0o777)
        server.listen()
        with Sandbox(policy_for(place), **options) as box:
            assert any(str(path) in finding.message for finding in box.effective.findings)


def test_it_goes_with_its_owner(options, tmp_path):
    """However that ends."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            with Sandbox(**options) as first:
                waiting = Home(options, first).prepared()
                os.write(write, waiting.to_bytes(4, "little"))
                os.kill(os.getpid(), 9)
        finally:
            os._exit(1)
    os.close(write)
    with open(read, "rb") as told:
        word = told.read()
    assert 9 == os.waitpid(pid, 0)[1]
    assert gone(int.from_bytes(word, "little"))
