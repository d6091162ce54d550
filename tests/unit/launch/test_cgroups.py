"""Limits in made-up hierarchies: what is written where, what is read back, and what is said of what goes wrong."""

import errno
import os
from typing import Any

import pytest
from tests.unit.effective.cases import composed

from pyopenshell import runs
from pyopenshell.devices import cgroups as devices
from pyopenshell.devices.cgroups import Hierarchy
from pyopenshell.effective.limits import asked
from pyopenshell.launch import cgroups, cgroups_files, cgroups_v1, cgroups_v2

V1 = {
    "cpu": ("cpu.cfs_period_us", "cpu.cfs_quota_us", "cpu.stat"),
    "memory": ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes"),
    "pids": ("pids.max",),
}
V2 = ("cpu.max", "memory.max", "memory.swap.max", "pids.max", "cgroup.subtree_control", "cgroup.type", "cgroup.kill")
MIB = 1 << 20


class Kernel:
    """Gives new folders the files that a cgroup has, as the kernel would; ``refused`` are answers to writing some."""

    def __init__(self, root, patch):
        self.root, self.refused = root, {}
        self._mkdir, self._write = os.mkdir, cgroups_files.write
        patch.setattr(os, "mkdir", self.mkdir)
        patch.setattr(cgroups_files, "write", self.write)

    def mkdir(self, path, mode=0o777, *, dir_fd=None):
        self._mkdir(path, mode, dir_fd=dir_fd)
        kind = os.path.relpath(path, self.root).split("/")[0]
        for name in (*V1.get(kind, V2), "cgroup.procs"):
            self.put(path, name, "")
        if kind == "unified":
            self.put(path, "cgroup.controllers", self.get(os.path.dirname(path), "cgroup.subtree_control"))

    def write(self, path, text):
        name = os.path.basename(path)
        if name in self.refused:
            raise OSError(self.refused[name], os.strerror(self.refused[name]), path)
        folder = os.path.dirname(path)
        if name == "cgroup.subtree_control":
            text = f"{self.get(folder, name)} {text[1:]}".strip()
        self._write(path, text)

    @staticmethod
    def put(folder, name, text):
        with open(f"{folder}/{name}", "w") as file:
            file.write(text)

    @staticmethod
    def get(folder, name):
        return cgroups_files.read(f"{folder}/{name}").strip()


@pytest.fixture
def kernel(tmp_path, monkeypatch):
    return Kernel(tmp_path, monkeypatch)


@pytest.fixture
def version_1(kernel):
    """Return hierarchies of version 1, in each of which this process is in a cgroup."""
    for name in V1:
        os.makedirs(kernel.root / name / "own")
    return {name: Hierarchy(1, str(kernel.root / name / "own"), str(kernel.root / name)) for name in V1}


@pytest.fixture
def version_2(kernel):
    """Return the hierarchy of version 2, where this process is in ``own``, which is given all controllers."""
    root = kernel.root / "unified"
    os.mkdir(root)
    os.unlink(root / "cgroup.type")  # the real root has none
    for name in ("cgroup.subtree_control", "cgroup.controllers"):
        kernel.put(root, name, "cpu memory pids")
    os.mkdir(root / "own")
    return {name: Hierarchy(2, str(root / "own"), str(root)) for name in V1}


def effective(cpu=0.5, memory=64 * MIB, pids=100):
    return composed(run_id=runs.new_id(), limits=asked(cpu, memory, pids))


def told(made):
    """Return what became of each limit."""
    return [(one.status, one.actual, one.mechanism) for one in made.effective.limits]


def test_version_1(kernel, version_1):
    """Each hierarchy has a folder of the sandbox's, closed to others, with what was asked for in its files."""
    made: Any = cgroups.prepare(effective(), version_1)
    expected = [("enforced", value, "cgroup v1") for value in (500, 64 * MIB, 100)]
    assert expected == told(made)
    cpu, memory, pids = made.folders
    assert ["50000", "100000"] == [kernel.get(cpu, name) for name in ("cpu.cfs_quota_us", "cpu.cfs_period_us")]
    assert [str(64 * MIB)] * 2 == [kernel.get(memory, name) for name in V1["memory"]]
    assert "100" == kernel.get(pids, "pids.max")
    assert [0o700] * 3 == [os.stat(folder).st_mode & 0o777 for folder in made.folders]
    made.join(77)
    assert ["77"] * 3 == [kernel.get(folder, "cgroup.procs") for folder in made.folders]


def test_version_2(kernel, version_2):
    """One folder has all; no swap beside the memory."""
    made: Any = cgroups.prepare(effective(), version_2)
    assert [("enforced", value, "cgroup v2") for value in (500, 64 * MIB, 100)] == told(made)
    (folder,) = made.folders
    assert f"{version_2['cpu'].own}/{cgroups.PREFIX}{made.effective.run_id.lower()}" == folder
    assert ["50000 100000", str(64 * MIB), "0", "100"] == [kernel.get(folder, name) for name in V2[:4]]
    assert "cpu memory pids" == kernel.get(version_2["cpu"].own, "cgroup.subtree_control")


def test_both_at_once(version_1, version_2):
    """A hybrid: memory of version 2, the others of version 1."""
    made: Any = cgroups.prepare(effective(), version_1 | {"memory": version_2["memory"]})
    assert ["cgroup v1", "cgroup v2", "cgroup v1"] == [mechanism for _, _, mechanism in told(made)]
    assert 3 == len(made.folders)


def test_nothing_asked_for():
    """No limit, no cgroup."""
    assert None is cgroups.prepare(effective(None, None, None), {})


def test_what_the_kernel_made_of_it_is_told(kernel, version_1, monkeypatch):
    """What is read back counts: it may round."""
    monkeypatch.setattr(cgroups_files, "number", lambda path: 63 * MIB if "memory" in path else 50_000)
    made: Any = cgroups.prepare(effective(None), version_1)
    assert ("enforced", 63 * MIB) == told(made)[0][:2]


@pytest.mark.parametrize(
    ("file", "number", "words"),
    [
        ("memory.limit_in_bytes", errno.EINVAL, "allows less"),
        ("memory.limit_in_bytes", errno.EACCES, "may not divide"),
        ("memory.limit_in_bytes", errno.EROFS, "read-only"),
        ("memory.limit_in_bytes", errno.EIO, "Input/output error"),
    ],
)
def test_one_that_is_refused(kernel, version_1, monkeypatch, file, number, words):
    """The others stand, its folder goes, and a finding says why."""
    gone: list[str] = []
    monkeypatch.setattr(os, "rmdir", gone.append)
    kernel.refused[file] = number
    made: Any = cgroups.prepare(effective(), version_1)
    assert ["enforced", "skipped", "enforced"] == [status for status, _, _ in told(made)]
    assert words in made.effective.limits[1].detail
    assert [version_1["memory"].own] == [os.path.dirname(folder) for folder in gone]
    assert 2 == len(made.folders)


def test_swap_that_cannot_be_limited(kernel, version_1, monkeypatch):
    """It is told where there is any."""
    kernel.refused["memory.memsw.limit_in_bytes"] = errno.EACCES
    for has, detail in ((True, cgroups_files.NO_SWAP_LIMIT), (False, None)):
        monkeypatch.setattr(cgroups_files, "has_swap", lambda has=has: has)
        made: Any = cgroups.prepare(effective(None, pids=None), version_1)
        limit = made.effective.limits[0]
        assert ("enforced", detail) == (limit.status, limit.detail)


def test_a_controller_that_is_nowhere(version_1):
    """Without its hierarchy a limit is skipped; without any the words are others."""
    for found, words in (({"pids": version_1["pids"]}, "no cpu controller"), ({}, "no cgroup file system")):
        made: Any = cgroups.prepare(effective(memory=None), found)
        assert "skipped" == made.effective.limits[0].status
        assert words in made.effective.limits[0].detail


@pytest.mark.parametrize("is_root", [True, False])
def test_version_2_with_processes_in_the_way(kernel, version_2, monkeypatch, is_root):
    """Not ours to divide: root makes its cgroup beneath the root, an ordinary user is told; nothing is switched on."""
    monkeypatch.setattr(os, "geteuid", lambda: 0 if is_root else 1000)
    own, root = version_2["cpu"].own, version_2["cpu"].root
    kernel.put(own, "cgroup.procs", "77\n")
    made: Any = cgroups.prepare(effective(), version_2)
    assert [root] * is_root == [os.path.dirname(folder) for folder in made.folders]
    assert {"enforced" if is_root else "skipped"} == {status for status, _, _ in told(made)}
    assert "" == kernel.get(own, "cgroup.subtree_control")
    assert is_root or "processes are in the cgroup" in made.effective.limits[0].detail


def test_version_2_in_a_leaf_of_ours(kernel, version_2):
    """Whoever was moved into a leaf by an earlier launch finds the cgroup around it."""
    own = version_2["cpu"].own
    os.mkdir(f"{own}/{cgroups_v2.LEAF}")
    inside = {name: place.replace(own=f"{own}/{cgroups_v2.LEAF}") for name, place in version_2.items()}
    made: Any = cgroups.prepare(effective(), inside)
    assert [own] == [os.path.dirname(folder) for folder in made.folders]


def test_version_2_that_is_given_little(kernel, version_2, monkeypatch):
    """An ordinary user gets of a delegated cgroup what that has, and is told about the rest."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    kernel.put(version_2["cpu"].own, "cgroup.controllers", "memory pids")
    made: Any = cgroups.prepare(effective(), version_2)
    assert ["skipped", "enforced", "enforced"] == [status for status, _, _ in told(made)]
    assert "is not given the cpu controller" in made.effective.limits[0].detail


def test_usage_of_version_1(kernel, version_1):
    """What each hierarchy counts."""
    made: Any = cgroups.prepare(effective(), version_1)
    cpu, memory, pids = made.folders
    for folder, name, text in (
        (cpu, "cpu.stat", "nr_periods 5\nnr_throttled 3\n"),
        (cpu, "cpuacct.usage", "2500000\n"),
        (memory, "memory.usage_in_bytes", "11\n"),
        (memory, "memory.max_usage_in_bytes", "12\n"),
        (memory, "memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n"),
        (pids, "pids.current", "4\n"),
        (pids, "pids.events", "max 9\n"),
    ):
        kernel.put(folder, name, text)
    assert cgroups.Usage(11, 12, 2, 2500, 3, 4, 9) == made.usage()


def test_usage_of_version_2(kernel, version_2):
    """The one folder counts all; what an older kernel does not tell is not known."""
    made: Any = cgroups.prepare(effective(), version_2)
    (folder,) = made.folders
    for name, text in (
        ("cpu.stat", "usage_usec 2500\nuser_usec 1\nnr_throttled 3\n"),
        ("memory.current", "11\n"),
        ("memory.events", "low 0\noom 5\noom_kill 2\n"),
        ("pids.current", "4\n"),
        ("pids.events", "max 9\n"),
    ):
        kernel.put(folder, name, text)
    assert cgroups.Usage(11, None, 2, 2500, 3, 4, 9) == made.usage()


@pytest.mark.parametrize(
    "name", ["openshell-", "openshell-1", "system.slice", "openshell-" + "0" * 25 + ".", "openshell-" + "0" * 27]
)
def test_a_record_cannot_name_other_cgroups(tmp_path, name):
    """Only what is named as ours is removed, whatever a record says."""
    (tmp_path / name).mkdir()
    assert () == cgroups.discard([str(tmp_path / name)])
    assert (tmp_path / name).is_dir()


def test_hierarchies(tmp_path):
    """A controller of version 1 is had there, another one of version 2; a container sees a part as the whole."""
    proc, v1, v2 = tmp_path / "self", tmp_path / "v1", tmp_path / "v2"
    for folder in (proc, v1 / "own", v2):
        folder.mkdir(parents=True)
    (v2 / "cgroup.controllers").write_text("memory pids io\n")
    (proc / "cgroup").write_text("3:pids:/own\n0::/elsewhere\n")
    (proc / "mountinfo").write_text(
        f"31 22 0:28 / {v1} rw - cgroup cgroup rw,pids\n32 22 0:29 / {v2} rw - cgroup2 cgroup2 rw\n"
    )
    expected = {"pids": Hierarchy(1, str(v1 / "own"), str(v1)), "memory": Hierarchy(2, str(v2), str(v2))}
    assert expected == devices.hierarchies(str(tmp_path))


def test_version_1_is_made_beneath_our_own_only(version_1):
    """Where a cgroup is swept is where it was made."""
    place = version_1["cpu"]
    assert (place.own,) == cgroups_v1.parents(place)
