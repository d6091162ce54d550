"""A spec against a host: stale nodes, mounts and hooks, the driver's version, GPUs that no spec names."""

import os
import stat

import pytest

from pyopenshell.devices.cdi import host
from pyopenshell.devices.cdi.read import Faults, read_bytes
from pyopenshell.devices.host import Device
from tests.unit.devices.cdi.cases import spec


def check(edits, *, driver=None, kind="nvidia.com/gpu", file="/etc/cdi/nvidia.yaml"):
    """The faults of a spec whose device has these edits, as (code, line)."""
    found = read_bytes(spec(edits, kind=kind).encode(), file).spec
    assert found is not None
    faults = Faults(file)
    host.check(found, driver, faults.note)
    return faults.ordered()


def codes(edits, **options):
    """The codes of those faults."""
    return [fault.code.removeprefix("cdi.") for fault in check(edits, **options)]


def node(path, more=""):
    """Edits with one device node."""
    return f"deviceNodes: [{{path: /dev/x, hostPath: {path}{more}}}]"


@pytest.mark.parametrize(
    ("path", "more", "found"),
    [
        ("/dev/null", "", []),
        ("/dev/null", ", type: c", []),
        ("/dev/null", ", type: u", []),
        ("/dev/null", ", type: c, major: 1, minor: 3", []),
        ("/dev/null", ", major: 1, minor: 3", []),
        ("/dev/null", ", type: c, major: 1, minor: 5", ["node-number"]),
        ("/dev/null", ", major: 195", ["node-number"]),
        ("/dev/null", ", type: b", ["node-type"]),
        ("/dev/null", ", type: p", ["node-type"]),
        ("/dev", "", ["node-type"]),
        ("/etc/passwd", ", type: c", ["node-type"]),
        ("/dev/gone", "", ["node-missing"]),
        ("/dev/null/gone", "", ["node-missing"]),
        ("/dev/gone", ", type: c, major: 1, minor: 3", ["node-missing"]),
        ("/dev/stdin", "", ["node-type"]),
    ],
)
def test_device_nodes(path, more, found):
    """What a spec says of a node is held against the node."""
    assert found == codes(node(path, more))


def test_links_to_device_nodes(tmp_path):
    """Engines follow no link where they need the numbers from it; where the spec has them, they do not look."""
    (tmp_path / "link").symlink_to("/dev/null")
    (tmp_path / "gone").symlink_to("nothing")
    assert "write hostPath: /dev/null" == check(node(tmp_path / "link"))[0].mend
    assert [] == codes(node(tmp_path / "link", ", type: c, major: 1, minor: 3"))
    assert ["node-number"] == codes(node(tmp_path / "link", ", type: c, major: 1, minor: 5"))
    assert ["node-missing"] == codes(node(tmp_path / "gone", ", type: c, major: 1"))


def test_pipes(tmp_path):
    """A FIFO is a device node of type p, without numbers."""
    os.mkfifo(tmp_path / "p")
    assert [] == codes(node(tmp_path / "p", ", type: p")) + codes(node(tmp_path / "p"))
    assert ["node-type"] == codes(node(tmp_path / "p", ", type: c"))


def test_mounts(tmp_path):
    """What is bound must be there, a dangling link is not; a file system has no host path."""
    (tmp_path / "gone").symlink_to("nothing")
    assert ["mount-missing"] == codes(f"mounts: [{{hostPath: {tmp_path}/gone, containerPath: /a}}]")
    assert [] == codes(f"mounts: [{{hostPath: {tmp_path}, containerPath: /a, options: [rbind]}}]")
    assert [] == codes("mounts: [{hostPath: tmpfs, containerPath: /a, type: tmpfs}]")
    assert ["mount-missing"] == codes("mounts: [{hostPath: /no, containerPath: /a, type: tmpfs, options: [bind]}]")


def test_hooks(tmp_path):
    """A hook's program must be a file that somebody can execute."""
    path = tmp_path / "hook"
    hook = f"hooks: [{{hookName: createContainer, path: {path}}}]"
    assert ["hook-missing"] == codes(hook)
    path.write_text("")
    path.chmod(0o644)
    assert f"chmod a+rx {path}" == check(hook)[0].mend
    path.chmod(0o755)
    assert [] == codes(hook)
    assert ["hook-not-executable"] == codes(f"hooks: [{{hookName: createContainer, path: {tmp_path}}}]")


def test_a_path_is_judged_once():
    """The nodes of all devices are those of ``all`` too: the first place is enough."""
    assert ["node-missing"] == codes("deviceNodes: [{path: /dev/gone}, {path: /dev/gone}]")
    mount, hook = "{hostPath: /no, containerPath: /a}", "{hookName: prestart, path: /no}"
    assert ["mount-missing", "hook-missing"] == codes(f"mounts: [{mount}, {mount}], hooks: [{hook}, {hook}]")
    assert 2 == len(codes("deviceNodes: [{path: /dev/null, major: 7}, {path: /dev/null, major: 8}]"))


VERSIONS = [
    ("mounts: [{hostPath: /dev/null/libcuda.so.550.54.15, containerPath: /a}]", ["550.54.15"]),
    ("mounts: [{hostPath: /dev/null/libnvidia-ml.so.550.54.15, containerPath: /a}]", ["550.54.15"]),
    ("mounts: [{hostPath: /dev/null/libnvidia-ml.so.570.86.15, containerPath: /a}]", []),
    ("mounts: [{hostPath: /dev/null/libcuda.so.1, containerPath: /a}]", []),
    ("mounts: [{hostPath: /dev/null/libcuda.so.1.1, containerPath: /a}]", []),
    ("mounts: [{hostPath: /dev/null/libcuda.so.550.x, containerPath: /a}]", []),
    ("mounts: [{hostPath: /dev/null/libnvidia-egl-gbm.so.101.1, containerPath: /a}]", []),
    ("hooks: [{hookName: prestart, path: /bin/sh, args: [x, --host-driver-version=575.57]}]", ["575.57"]),
    (f"hooks: [{{hookName: prestart, path: /bin/sh, args: [--host-driver-version={'9' * 5000}.1]}}]", []),
]


@pytest.mark.parametrize(("edits", "versions"), VERSIONS)
def test_the_drivers_version(edits, versions):
    """Only names that carry a driver's version tell it, and only where another one runs."""
    found = [fault for fault in check(edits, driver="570.86.15") if fault.code == "cdi.driver-version"]
    assert [f"the spec is for driver {version}, and 570.86.15 runs" for version in versions] == [
        f.message for f in found
    ]
    assert "driver-version" not in codes(edits)


@pytest.mark.parametrize(
    ("kind", "file", "mend"),
    [
        (
            "nvidia.com/gpu",
            "/run/cdi/a b.yaml",
            "generate the spec again: nvidia-ctk cdi generate --output='/run/cdi/a b.yaml'",
        ),
        (
            "amd.com/gpu",
            "/etc/cdi/amd.json",
            "generate the spec again: amd-ctk cdi generate --output=/etc/cdi/amd.json",
        ),
        ("nvidia.com/gpu", "-", "generate the spec again: nvidia-ctk cdi generate"),
        ("vendor.com/net", "/etc/cdi/x.yaml", "write the spec again, with the tool that wrote it"),
    ],
)
def test_the_mend_writes_the_same_file(kind, file, mend):
    """A stale spec is written again by its vendor's tool, where it lies."""
    assert mend == check("mounts: [{hostPath: /no, containerPath: /a}]", kind=kind, file=file)[0].mend


def test_what_may_not_be_seen_is_not_judged(tmp_path):
    """A folder that is closed to this user hides whether the path is there."""
    if os.geteuid() != 0:
        pytest.skip("needs: root")
    tmp_path.chmod(0o700)
    child = os.fork()
    if child == 0:
        code = 99
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            hidden = f"{tmp_path}/x"
            hook = f"hooks: [{{hookName: prestart, path: {hidden}}}]"
            mount = f"mounts: [{{hostPath: {hidden}, containerPath: /a}}]"
            code = len(check(f"{hook}, {mount}, {node(hidden)}"))
        finally:
            os._exit(code)
    assert 0 == os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700


DEVICES = (
    Device("/dev/nvidiactl", "control", "nvidia"),
    Device("/dev/nvidia0", "gpu", "nvidia"),
    Device("/dev/nvidia1", "gpu", "nvidia"),
    Device("/dev/nvidia-caps/nvidia-cap1", "admin", "nvidia"),
    Device("/dev/kfd", "control", "amd"),
)


def test_gpus_in_no_spec():
    """GPUs and control nodes that no spec names, by vendor, with the vendor's tool; never what manages all GPUs."""
    edits = "deviceNodes: [{path: /dev/x, hostPath: /dev/nvidiactl}, {path: /dev/nvidia1}]"
    found = read_bytes(spec(edits).encode(), "a").spec
    assert found is not None
    faults = Faults(None)
    host.uncovered([found], DEVICES, faults.note)
    said = [(fault.message, fault.mend.partition(" --")[0]) for fault in faults.ordered()]
    expected = [
        ("/dev/nvidia0 is here and in no spec", "generate the spec again: nvidia-ctk cdi generate"),
        ("/dev/kfd is here and in no spec", "generate the spec again: amd-ctk cdi generate"),
    ]
    assert expected == said


@pytest.mark.parametrize("path", ["/dev/nvidia-uvm", "/dev/nvidia-uvm-tools"])
def test_what_makes_a_node(path):
    """The mend of a control node that is missing makes it, in the words of all pages."""
    if os.path.exists(path):
        pytest.skip("needs: a host without nvidia-uvm")
    assert check(f"deviceNodes: [{{path: {path}}}]")[0].mend.startswith("make it: nvidia-modprobe -c 0 -u, or ")
