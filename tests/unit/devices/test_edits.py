"""The edits of chosen devices gathered: each once, with its place; devices that are not what the spec means."""

import os

import pytest

from pyopenshell.devices.cdi.model import CdiDevice, DeviceNode, Edits, Hook, Mount, Spec
from pyopenshell.devices.cdi.registry import Found
from pyopenshell.devices.edits import merged
from pyopenshell.devices.hooks import effect
from pyopenshell.devices.numbers import Nodes
from pyopenshell.devices.select import Choice


def node(path, host=None, **fields):
    return DeviceNode(path, host or path, **fields)


def test_what_devices_share_is_taken_once():
    """The spec's edits come with the first device; equal ones on other lines, and of other devices, are the same."""
    common = Edits(env=("A=b",), device_nodes=(node("/dev/null", line=3),), groups=(44,), line=2)
    devices = [
        CdiDevice(name, Edits(device_nodes=(node(path, line=line), node("/dev/null", line=line + 1))), line)
        for name, path, line in (("0", "/dev/zero", 10), ("1", "/dev/full", 20))
    ]
    spec = Spec("/etc/cdi/x.yaml", "0.7.0", "a.com/gpu", tuple(devices), common)
    found = merged(Choice((), Found(spec, device, f"a.com/gpu={device.name}")) for device in devices)
    assert [("/dev/null", 3, "a.com/gpu=0"), ("/dev/zero", 10, "a.com/gpu=0"), ("/dev/full", 20, "a.com/gpu=1")] == [
        (one.node.path, one.whose.line, one.whose.name) for one in found.nodes
    ]
    assert [("A=b", 2)] == [(text, whose.line) for text, whose in found.env]
    assert [(44, "/etc/cdi/x.yaml")] == [(gid, whose.file) for gid, whose in found.groups]


def test_choices_without_a_spec_bring_nothing():
    """Their nodes come from the table."""
    assert () == merged((Choice(()),)).nodes


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (node("/dev/null"), None),
        (node("/dev/null", type="c", major=1, minor=3), None),
        (node("/dev/null", type="u"), None),
        (node("/dev/null", minor=3), None),
        (node("/dev/gone", major=1), None),
        (node("/etc/passwd", type="p"), "is no FIFO"),
        (node("/dev/null", type="p"), "is no FIFO"),
        (node("/dev/null", type="b"), "is a character device"),
        (node("/dev/null", major=195, minor=0), "is device 1:3 here, and the spec means 195:0"),
        (node("/dev/null", minor=4), "the spec means any:4"),
        (node("/etc/passwd"), "is no device node"),
        (node("/x", host="/etc"), "/etc is no device node"),
    ],
)
def test_whether_a_node_is_the_one_that_is_meant(asked, words):
    """Type and numbers, as far as the spec says them; what is missing is found out elsewhere."""
    told = Nodes().problem(asked)
    assert (words is None and told is None) or (words is not None and words in (told or "")), told


def test_a_fifo(tmp_path):
    """Where the spec says so, and the host has one."""
    os.mkfifo(tmp_path / "pipe")
    assert Nodes().problem(node(str(tmp_path / "pipe"), type="p")) is None
    assert "is no device node" in (Nodes().problem(node(str(tmp_path / "pipe"))) or "")


def hook(*args, path="/usr/bin/nvidia-cdi-hook"):
    return Hook("createContainer", path, args)


@pytest.fixture
def root(tmp_path):
    """A root whose loader knows one folder, with one link."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/ld.so.cache").write_bytes(b"glibc-ld.so.cache1.1\0/opt/known/libcuda.so.1\0")
    (tmp_path / "there").symlink_to("/nowhere")
    return str(tmp_path)


@pytest.mark.parametrize(
    ("args", "mend"),
    [
        (("nvidia-cdi-hook", "update-ldcache", "--folder", "/opt/known"), None),
        (("nvidia-cdi-hook", "update-ldcache", "--folder", "/usr/lib/"), None),
        (("nvidia-ctk", "hook", "update-ldcache", "--folder=/opt/new"), "--env LD_LIBRARY_PATH=/opt/new"),
        (("nvidia-ctk", "hook", "update-ldcache", "--folder", "/opt/a", "--folder", "/opt/b"), "/opt/a:/opt/b"),
        (("nvidia-cdi-hook", "create-symlinks", "--link", "libcuda.so.550::/there"), None),
        (("nvidia-cdi-hook", "create-symlinks", "--link", "libcuda.so.550::/missing"), "ln -s libcuda.so.550 /missing"),
        (("nvidia-cdi-hook", "enable-cuda-compat", "--host-driver-version=550"), None),
        (("nvidia-cdi-hook", "disable-device-node-modification"), None),
        (("nvidia-cdi-hook", "chmod", "--mode", "755", "--path", "/dev/dri"), None),
        (("nvidia-cdi-hook", "something-new"), "something-new"),
        ((), "/usr/bin/nvidia-cdi-hook"),
    ],
)
def test_hooks_that_are_not_run(root, args, mend):
    """What follows, and what to do where a program may notice."""
    told = effect(hook(*args), root)
    assert (mend is not None) is told.matters
    assert mend is None or mend in (told.mend or "")
    assert told.message


def test_a_hook_of_somebody_else(root):
    """Nothing is known of it: that is said."""
    assert effect(hook("vendor-hook", "chmod", path="/opt/vendor-hook"), root).matters


def test_mounts_and_hooks_are_gathered_too():
    """Each with its own line."""
    edits = Edits(mounts=(Mount("/a", "/b", ("ro",), line=5),), hooks=(hook("x").replace(line=6),), other=("intelRdt",))
    spec = Spec("x.json", "1.1.0", "a.com/b", (CdiDevice("c", edits),))
    found = merged((Choice((), Found(spec, spec.devices[0], "a.com/b=c")),))
    assert ([5], [6], ["intelRdt"]) == (
        [shown.whose.line for shown in found.mounts],
        [whose.line for _, whose in found.hooks],
        [key for key, _ in found.other],
    )
