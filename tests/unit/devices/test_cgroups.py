"""Which cgroups a process is in, of every version, in hierarchies made in a folder; and on this host."""

import os

import pytest

from pyopenshell.devices import cgroups
from pyopenshell.devices.cgroups import read

V2 = "35 26 0:30 {root} {point} {options} shared:9 - cgroup2 cgroup2 rw,nsdelegate"
V1 = "36 26 0:31 {root} {point} {options} - cgroup cgroup rw,{controllers}"


class Host:
    """A proc of its own, and hierarchies that it says are mounted."""

    def __init__(self, root):
        self.proc, self.root, self.mounts, self.own = (
            str(root / "proc"),
            root,
            ["22 1 0:20 / / rw - ext4 /dev/a rw"],
            [],
        )
        os.makedirs(f"{self.proc}/self")

    def mount(self, kind, name, path="/", *, controllers="", options="rw,nosuid", root="/"):
        point = self.root / "cg roup" / name
        point.mkdir(parents=True, exist_ok=True)
        shown = str(point).replace(" ", "\\040")
        self.mounts.append(kind.format(root=root, point=shown, options=options, controllers=controllers))
        self.own.append(f"{len(self.own)}:{controllers}:{path}")
        folder = point / path.removeprefix(root if root != "/" else "").strip("/")
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def file(self, folder, **texts):
        for name, text in texts.items():
            (folder / name.replace("_", ".", 1)).write_text(text)

    def read(self):
        for name, lines in (("mountinfo", self.mounts), ("cgroup", self.own)):
            with open(f"{self.proc}/self/{name}", "w", encoding="utf-8") as file:
                file.write("\n".join(lines))
        return read(self.proc)


@pytest.fixture
def host(tmp_path):
    return Host(tmp_path)


def unified(host, controllers="cpuset cpu io memory pids", **options):
    folder = host.mount(V2, "unified", options.pop("path", "/user/shell"), **options)
    host.file(folder, cgroup_controllers=controllers, cgroup_procs="", cgroup_subtree_control="")
    return folder


def test_none(host):
    """Without cgroup file systems, or without a proc, there is none."""
    assert "none" == host.read().version
    assert "none" == read(f"{host.proc}/missing").version


def test_version_2(host):
    """A cgroup this user may write hands its controllers on."""
    unified(host)
    found = host.read()
    assert ("v2", "/user/shell") == (found.version, found.path)
    assert (("cpu", "memory", "pids"),) * 2 == (found.controllers, found.writable)
    assert found.device_rules is None


def test_version_2_without_controllers(host):
    """What is not passed on from above is not there."""
    unified(host, "pids")
    assert ("pids",) == host.read().controllers


@pytest.mark.parametrize("options", ["ro,nosuid", "nosuid,ro"])
def test_read_only(host, options):
    """In a container whose hierarchy is mounted read-only nothing can be handed on."""
    unified(host, options=options)
    found = host.read()
    assert ((), True) == (found.writable, found.mounted_read_only)


def test_a_part_of_the_hierarchy_as_the_whole(host):
    """A container's mount shows its own cgroup as the root: its files are found there."""
    unified(host, path="/kubepods/pod1/c1", root="/kubepods/pod1/c1")
    assert ("cpu", "memory", "pids") == host.read().controllers


def test_a_path_that_is_not_seen(host):
    """Where the own path does not exist beneath the mount, the mount's root stands for it."""
    unified(host, path="/")
    host.own = ["0::/../../elsewhere"]
    assert ("cpu", "memory", "pids") == host.read().controllers


@pytest.mark.parametrize("hybrid", [True, False])
def test_version_1(host, hybrid):
    """Controllers on hierarchies of version 1 are counted there; several can share one."""
    host.file(host.mount(V1, "cpu,cpuacct", "/a", controllers="cpu,cpuacct"), cgroup_procs="")
    host.mount(V1, "memory", "/b", controllers="memory")
    if hybrid:
        unified(host, "")
    found = host.read()
    assert ("hybrid" if hybrid else "v1", "/a") == (found.version, found.path)
    assert (("cpu", "memory"), ("cpu",)) == (found.controllers, found.writable)


@pytest.mark.parametrize(
    ("text", "rules"),
    [("a *:* rwm\n", ("a *:* rwm",)), ("c 1:3 rwm\nc 195:* rw\n", ("c 1:3 rwm", "c 195:* rw")), ("", None)],
)
def test_device_rules(host, text, rules):
    """Version 1 tells its rules about devices."""
    host.file(host.mount(V1, "pids", controllers="pids"), cgroup_procs="")
    host.file(host.mount(V1, "devices", controllers="devices"), devices_list=text)
    assert rules == host.read().device_rules


@pytest.mark.parametrize("line", ["", "garbage", "- cgroup", " - cgroup2 x", "1 2 3 4 5 6 - cgroup2", "\0" * 50])
def test_garbage(host, line):
    """Lines that are none are passed over."""
    host.mounts.append(line)
    host.own.append(line)
    assert "none" == host.read().version


def test_this_host():
    """What this process is in can be told on any kernel."""
    found = read()
    assert found.version in ("v1", "v2", "hybrid", "none")
    assert set(found.writable) <= set(found.controllers) <= set(cgroups.LIMITS)
