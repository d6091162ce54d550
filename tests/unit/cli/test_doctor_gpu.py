"""What ``openshell doctor`` says of GPUs: each device node, driver, spec and variable, on hosts made in a folder."""

import errno
import os
import socket
import stat
import time

import pytest
from tests.unit.devices.test_libraries import elf

from pyopenshell.cli.doctor import (
    cdi,
    cgroups,
    driver,
    driver_files,
    engines,
    everything,
    gpu_nodes,
    gpus,
    launched,
    opening,
    surroundings,
    who,
)
from pyopenshell.cli.doctor.codes import check
from pyopenshell.cli.doctor.roots import beneath
from pyopenshell.devices import inventory
from pyopenshell.devices.cdi import lint, registry
from pyopenshell.devices.cdi.codes import GENERATE
from pyopenshell.devices.cgroups import LIMITS, Cgroups
from pyopenshell.devices.engines import Engine
from pyopenshell.devices.gpu import Gpu, Inventory
from pyopenshell.devices.host import Device
from pyopenshell.effective.model import Identity

NULL, ABSENT = os.makedev(1, 3), os.makedev(240, 77)
USER = (
    Identity(65534, 65534, (), "anyone but root")
    if os.geteuid() == 0
    else Identity(os.geteuid(), os.getegid(), (), "caller")
)
USUAL = ("nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", "nvidia-modeset", "nvidia0")


class Host:
    """A root with its own ``dev``, ``proc``, ``sys`` and files, which any identity can enter."""

    def __init__(self, root):
        self.root = str(root)
        self.roots = beneath(self.root)
        os.makedirs(self.roots.dev)

    def nodes(self, *names, mode=0o666, number=NULL, group=None):
        for name in names:
            path = f"{self.roots.dev}/{name}"
            os.makedirs(os.path.dirname(path), exist_ok=True)
            try:
                os.mknod(path, stat.S_IFCHR, number)
            except PermissionError:
                pytest.skip("needs: CAP_MKNOD")
            os.chmod(path, mode)
            if group is not None:
                os.chown(path, -1, group)

    def file(self, path, text=""):
        place = self.root + path
        os.makedirs(os.path.dirname(place), exist_ok=True)
        with open(place, "wb" if isinstance(text, bytes) else "w") as file:
            file.write(text)
        return place

    def inventory(self):
        return inventory.read(self.roots.dev, self.roots.proc, self.roots.sys, nvml=False)

    def found(self, identity=USER):
        """Return the checks of the nodes by name."""
        checks = gpu_nodes.checks(self.inventory().devices, identity, self.roots)
        return {check.name.removeprefix(f"{self.roots.dev}/"): check for check in checks}

    def driver(self, **options):
        checks = driver.checks(self.inventory(), USER, self.roots, usable=True, **options)
        return {(check.name, check.code): check for check in checks}


@pytest.fixture
def host(open_folder):
    return Host(open_folder)


def test_nodes_that_are_right(host):
    """Each node that the sandbox's user opened is told with mode, owner and number."""
    host.nodes(*USUAL)
    found = host.found()
    assert {"gpu.node-ok"} == {check.code for check in found.values()}
    assert "crw-rw-rw- root:root (1, 3); opened as " in found["nvidia0"].evidence


def test_nothing_to_check(host):
    """Without device nodes nothing is missing either."""
    assert {} == host.found()


@pytest.mark.parametrize(
    ("options", "code", "seen"),
    [
        ({"mode": 0o600}, "gpu.node-mode", "crw------- root:root (1, 3); gpu node; open as"),
        ({"mode": 0o664}, "gpu.node-mode", "EACCES"),
        ({"number": ABSENT}, "gpu.node-dead", "ENXIO"),
    ],
)
def test_nodes_that_are_not(host, options, code, seen):
    """What opening answered is told, with the code of its cause, and the mend."""
    host.nodes("nvidia0", **options)
    row = host.found()["nvidia0"]
    assert (code, "High", "fail") == (row.code, row.severity, row.status)
    assert seen in row.evidence
    assert row.hint
    assert row.steps


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.EACCES, "gpu.node-denied"),
        (errno.EPERM, "gpu.node-cgroup"),
        (errno.ENODEV, "gpu.node-dead"),
        (errno.EBUSY, "gpu.node-busy"),
        (errno.EIO, "gpu.node-failed"),
        (errno.ETIMEDOUT, "gpu.node-hangs"),
    ],
)
def test_other_answers(host, monkeypatch, number, code):
    """Denials despite the mode, of the device cgroup, and errors of the driver are told apart."""
    host.nodes("nvidia0")
    monkeypatch.setattr(opening, "outcomes", lambda _, attempts: dict.fromkeys(attempts, number))
    row = host.found()["nvidia0"]
    assert (code, True) == (row.code, errno.errorcode[number] in row.evidence)
    assert row.hint


def test_what_a_node_costs(host):
    """One GPU of two, a MIG capability and modeset leave a GPU that works; the control node does not."""
    host.nodes("nvidia0")
    host.nodes("nvidiactl", "nvidia1", "nvidia-modeset", mode=0)
    host.nodes("nvidia-caps/nvidia-cap21", mode=0o400)
    severities = {name: check.severity for name, check in host.found().items()}
    assert {
        "nvidia0": "Informational",
        "nvidia1": "Medium",
        "nvidia-caps/nvidia-cap21": "Medium",
        "nvidia-modeset": "Low",
        "nvidiactl": "High",
        "nvidia-uvm": "High",
        "nvidia-uvm-tools": "Medium",
    } == severities
    host.nodes("nvidia-uvm-tools", mode=0)
    assert "High" == host.found()["nvidia-uvm-tools"].severity


def test_a_capability_is_opened_for_reading(host):
    """Its mode gives no more, and no more is needed."""
    host.nodes("nvidia0")
    host.nodes("nvidia-caps/nvidia-cap21", mode=0o444)
    assert "gpu.node-ok" == host.found()["nvidia-caps/nvidia-cap21"].code


def test_whom_nobody_here_can_become(host, monkeypatch):
    """Nothing is said of nodes, libraries and sockets that could not be tried."""

    def denied(_):
        raise PermissionError(errno.EPERM, "no")

    monkeypatch.setattr(opening, "_become", denied)
    host.nodes(*USUAL)
    library(host)
    host.file("/run/nvidia-persistenced/socket")
    assert {"gpu.node-untried"} == {check.code for check in host.found().values()}
    found = host.driver()
    assert ("persistenced", "persistenced.untried") in found
    assert ("libcuda.so.1", "driver.ok") in found


def test_attempts_that_hang(host, monkeypatch):
    """One that is not answered in time counts as that; the others are tried all the same, up to a bound."""
    monkeypatch.setattr(opening, "_attempt", lambda _, path: time.sleep(60) if path.startswith("/slow") else 0)
    attempts = [(opening.READ, path) for path in ("/a", "/slow1", "/b", "/slow2", "/c")]
    start = time.monotonic()
    answers = [*opening.outcomes(USER, attempts, 0.2).values()]
    assert time.monotonic() - start < 10
    assert [0, errno.ETIMEDOUT, 0, errno.ETIMEDOUT, errno.ETIMEDOUT] == answers


def test_in_a_container(host):
    """There nobody can load a module: the node must be given to it."""
    host.nodes("nvidia0")
    rows = gpu_nodes.checks(host.inventory().devices, USER, host.roots, contained=True)
    (row,) = [row for row in rows if row.name.endswith("/nvidia-uvm")]
    assert ((), True) == (row.steps, f"--device {row.name}" in str(row.hint))


def test_nodes_for_the_administrator_are_not_tried(host):
    """Nodes that are never granted are listed."""
    host.nodes("nvidia0", "nvidia-nvlink", mode=0)
    assert "gpu.node-admin" == host.found()["nvidia-nvlink"].code


def test_missing_nodes(host):
    """What the driver makes beside a GPU and is not there is named, with the module where that is not loaded."""
    host.nodes("nvidiactl", "nvidia0")
    found = host.found()
    assert {"nvidia-uvm", "nvidia-uvm-tools", "nvidia-modeset"} == {
        name for name, check in found.items() if check.code == "gpu.node-missing"
    }
    assert ("sudo modprobe nvidia-uvm", "sudo nvidia-modprobe -c 0 -u") == found["nvidia-uvm"].steps
    os.makedirs(f"{host.roots.sys}/module/nvidia_uvm")
    assert ("sudo nvidia-modprobe -c 0 -u",) == host.found()["nvidia-uvm"].steps


def test_others_have_other_nodes(host):
    """Nobody misses NVIDIA's control nodes beside the GPU of Windows."""
    host.nodes("dxg")
    assert ["dxg"] == [*host.found()]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs: root")
def test_groups(host):
    """A node's group lets its members in; who is none is told how to become one, as who that is."""
    host.nodes("nvidia0", mode=0o660, group=44)
    assert "gpu.node-ok" == host.found(USER.replace(groups=(44,)))["nvidia0"].code
    row = host.found()["nvidia0"]
    assert ("sudo usermod --append --groups video nobody",) == row.steps
    dynamic = host.found(Identity(61999, 61999, (), "dynamic"))["nvidia0"]
    assert ("sudo useradd --system --groups video --shell /usr/sbin/nologin sandbox",) == dynamic.steps
    stranger = host.found(Identity(61999, 61999, (), "caller"))["nvidia0"]
    assert ((), True) == (stranger.steps, "--group-add 44" in str(stranger.hint))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs: root")
def test_a_group_that_is_kept_out(host):
    """Of owner, group and others the first that fits decides: a mode can keep its own group out."""
    host.nodes("nvidia0", mode=0o606, group=44)
    assert "gpu.node-ok" == host.found()["nvidia0"].code
    assert "gpu.node-mode" == host.found(USER.replace(groups=(44,)))["nvidia0"].code


def test_what_the_module_was_told(host):
    """The hint has the parameters of NVIDIA's module that make the modes, the mode as people know it."""
    host.nodes("nvidia0", mode=0o600)
    host.file("/proc/driver/nvidia/params", "ModifyDeviceFiles: 1\nDeviceFileGID: 44\nDeviceFileMode: 432\n")
    assert "(now: mode 0660, GID 44)" in str(host.found()["nvidia0"].hint)


@pytest.mark.parametrize(
    ("vendor", "kind", "bound", "words"),
    [
        ("0x10de\n", "0x030200\n", None, "not installed"),
        ("0x10de\n", "0x030000\n", "nouveau", "nouveau"),
        ("0x10de\n", "0x030200\n", "vfio-pci", "virtual machines"),
        ("0x10de\n", "0x030200\n", "nvidia", "node is not here"),
        ("0x10de\n", "0x030200\n", "odd", "no GPU driver"),
        ("0x10de\n", "0x040300\n", None, None),
        ("0x1002\n", "0x030000\n", "amdgpu", None),
    ],
)
def test_gpus_without_nodes(host, vendor, kind, bound, words):
    """An NVIDIA GPU of the machine that has no node is named, with what has it instead."""
    place = "/sys/bus/pci/devices/0000:41:00.0"
    host.file(f"{place}/vendor", vendor)
    host.file(f"{place}/class", kind)
    if bound:
        os.symlink(f"../../../bus/pci/drivers/{bound}", f"{host.root}{place}/driver")
    machine = gpus.hardware(host.roots)
    rows = list(gpus.without_nodes(machine, host.inventory()))
    assert ([] if words is None else ["0000:41:00.0"]) == [row.name for row in rows]
    assert words is None or words in str(rows[0].hint)
    there = Inventory((Gpu(0, "nvidia", ("/dev/nvidia0",), bus="0000:41:00.0"),))
    assert [] == list(gpus.without_nodes(machine, there))


def test_the_gpu_without_a_node_is_named():
    """Of two GPUs it is the one whose address no node's GPU has."""
    there = Inventory((Gpu(0, "nvidia", ("/dev/nvidia0",), bus="00000000:41:00.0"),))
    machine = {"0000:41:00.0": "nvidia", "0000:c1:00.0": ""}
    assert ["0000:c1:00.0"] == [row.name for row in gpus.without_nodes(machine, there)]


def test_the_summary(host):
    """No GPU is fine where none was asked for; control nodes alone are none."""
    assert "gpu.none" == gpus.summary(Inventory(), gpu=False, seen=()).code
    assert ("gpu.missing", "High") == (
        (row := gpus.summary(Inventory(), gpu=True, seen=())).code,
        row.severity,
    )
    control = Inventory(devices=(Device("/dev/nvidiactl", "control", "nvidia"),))
    assert "/dev/nvidiactl, and no GPU's own node" in gpus.summary(control, gpu=True, seen=()).evidence
    host.nodes("nvidia0", "nvidia1")
    row = gpus.summary(host.inventory(), gpu=True, seen=())
    assert ("gpu.ok", True) == (row.code, row.evidence.startswith("2: "))


def grant(path, status, kind="baseline", name="gpu"):
    """Return a grant of a device as a run's effective policy has it."""
    access = ["read_file", "write_file", "ioctl_dev"]
    return {"path": path, "access": access, "status": status, "origin": {"kind": kind, "name": name}}


@pytest.mark.parametrize(
    ("done", "code", "seen"),
    [
        (
            launched.Launched(0, None, {"grants": [grant("/dev/nvidia0", "enforced")]}),
            "gpu.sandbox-ok",
            "1 device node",
        ),
        (
            launched.Launched(0, None, {"grants": [grant("/dev/nvidia-modeset", "skipped")]}),
            "gpu.sandbox-ok",
            "without /dev/nvidia-modeset (skipped)",
        ),
        (
            launched.Launched(0, None, {"grants": [grant("/dev/nvidia0", "blocked", "cdi", "nvidia.com/gpu=0")]}),
            "gpu.sandbox-failed",
            "without /dev/nvidia0 (blocked)",
        ),
        (
            launched.Launched(0, None, {"grants": [grant("/dev/null", "blocked", "baseline", "process")]}),
            "gpu.sandbox-ok",
            "0 device nodes",
        ),
        (
            launched.Launched(125, {"code": "gpu.missing", "message": "no", "hint": "h"}),
            "gpu.sandbox-failed",
            "no [gpu",
        ),
        (launched.Launched(139), "gpu.sandbox-failed", "exit code 139"),
        (launched.Launched(0, None, {}), "gpu.sandbox-ok", "0 device nodes"),
    ],
)
def test_a_sandbox_with_a_gpu(done, code, seen):
    """What the run's own record says was granted decides, by what a GPU cannot be used without."""
    row = gpus.launched(done)
    assert (code, True) == (row.code, seen in row.evidence)


def module(host, version="550.54.15"):
    host.file(
        "/proc/driver/nvidia/version",
        f"NVRM version: NVIDIA UNIX x86_64 Kernel Module  {version}  Tue Mar  5 22:23:56 UTC 2024\nGCC version: 12\n",
    )


def library(host, name="libcuda.so", version="550.54.15", folder="/usr/lib64"):
    host.file(f"{folder}/{name}.{version}", elf({"x86_64": 62, "aarch64": 183}[os.uname().machine]))
    if not os.path.lexists(f"{host.root}{folder}/{name}.1"):
        os.symlink(f"{name}.{version}", f"{host.root}{folder}/{name}.1")


def test_what_mends_a_node_mends_the_sandbox():
    """Where a node that CUDA needs was not granted, the advice is that node's; else what the launch said of it."""
    denied = grant("/dev/nvidia-uvm", "blocked")
    done = launched.Launched(0, None, {"grants": [denied]})
    node = check("gpu.node-mode", "/dev/nvidia-uvm", "seen", "open it", ("chmod",))
    row = gpus.launched(done, [node])
    assert ("gpu.sandbox-failed", "open it", ("chmod",)) == (row.code, row.hint, row.steps)
    denied["detail"] = {"message": "another device"}
    row = gpus.launched(done, [check("gpu.node-ok", "/dev/nvidia-uvm", "seen")])
    assert "/dev/nvidia-uvm is not granted (another device): openshell gpu lint" in str(row.hint)


def test_variables_are_named_where_they_leave_too_few():
    """The way out of the launch's error is the variable's name, not to ask for less."""
    found = Inventory((Gpu(0, "nvidia", ("/dev/nvidia0",), 0), Gpu(1, "nvidia", ("/dev/nvidia1",), 1)))
    done = launched.Launched(125, {"code": "gpu.too-few", "message": "few", "hint": "ask for no more"})
    row = gpus.launched(done, (), surroundings.narrowing(found, {"CUDA_VISIBLE_DEVICES": "1"}))
    assert ("CUDA_VISIBLE_DEVICES" in str(row.hint), ("unset CUDA_VISIBLE_DEVICES",)) == (True, row.steps)
    assert surroundings.narrowing(found, {"CUDA_VISIBLE_DEVICES": "1,0"}) is None
    assert "ask for no more" == gpus.launched(done).hint


def test_no_driver(host):
    """A host without any of it has one quiet finding."""
    assert [("driver", "driver.none")] == [*host.driver()]


def test_a_driver_that_is_right(host):
    """Module and libraries of one version."""
    host.nodes(*USUAL)
    module(host)
    library(host)
    library(host, "libnvidia-ml.so")
    found = host.driver()
    assert {"driver.ok", "persistenced.none"} == {code for _, code in found}
    assert "version 550.54.15" == found["kernel module", "driver.ok"].evidence
    assert "libcuda.so.550.54.15" in found["libcuda.so.1", "driver.ok"].evidence


@pytest.mark.parametrize("gpu", [True, False])
def test_versions_that_differ(host, gpu):
    """The old module still runs: with a GPU nothing works until the machine was started anew."""
    if gpu:
        host.nodes(*USUAL)
    module(host, "535.161.07")
    library(host)
    row = host.driver()["libcuda.so.1", "driver.mismatch"]
    assert ("High" if gpu else "Medium", ("sudo reboot",)) == (row.severity, row.steps)
    assert "550.54.15" in row.evidence
    assert "535.161.07" in row.evidence


def test_forward_compatibility_may_differ(host):
    """CUDA's compatibility package is newer than the module on purpose."""
    module(host, "535.161.07")
    library(host, folder="/usr/local/cuda/compat")
    found = host.driver(folders=["/usr/local/cuda/compat"])
    assert ("libcuda.so.1", "driver.mismatch") not in found


def test_another_version_besides(host):
    """The one that the loader takes is judged; what lies elsewhere is told."""
    host.nodes(*USUAL)
    module(host)
    library(host)
    library(host, version="535.1.2", folder="/usr/local/nvidia/lib64")
    row = host.driver()["libcuda.so.1", "driver.ok"]
    assert row.evidence.endswith("; besides /usr/local/nvidia/lib64/libcuda.so.535.1.2")


def test_libraries_that_are_missing(host):
    """Without libcuda no CUDA, without NVML less."""
    host.nodes(*USUAL)
    module(host)
    found = host.driver()
    assert "High" == found["libcuda.so.1", "driver.no-libcuda"].severity
    assert "of version 550.54.15" in str(found["libcuda.so.1", "driver.no-libcuda"].hint)
    assert "Low" == found["libnvidia-ml.so.1", "driver.no-nvml"].severity


def test_a_library_that_the_loader_does_not_find(host):
    """It is said where it lies, and both ways to make it found."""
    host.nodes(*USUAL)
    library(host, folder="/usr/local/nvidia/lib64")
    row = host.driver()["libcuda.so.1", "driver.not-in-cache"]
    assert "--env LD_LIBRARY_PATH=/usr/local/nvidia/lib64" in str(row.hint)
    assert "sudo ldconfig" == row.steps[-1]


FILE, FOLDER = "/run/nvidia/driver/lib/libcuda.so.550.54.15", "/usr/lib64"


def brought(host, mounts, told=()):
    """Return the checks of a host whose driver lies apart, where specs mount this and a sandbox is shown all of it."""
    host.nodes(*USUAL)
    module(host)
    library(host, folder="/run/nvidia/driver/lib")
    os.unlink(f"{host.root}/run/nvidia/driver/lib/libcuda.so.1")
    return host.driver(view=driver_files.View(mounts, told, mounts))


@pytest.mark.parametrize(
    ("mounts", "told"),
    [
        ({f"{FOLDER}/libcuda.so.1": FILE}, ()),
        ({"/opt/lib/libcuda.so.1": FILE}, ("/opt/lib",)),
    ],
)
def test_a_driver_that_a_spec_brings(host, mounts, told):
    """What a sandbox is shown counts as its own, and nobody is told to install a driver."""
    found = brought(host, mounts, told)
    assert f"is {FILE}, by a CDI spec" in found["libcuda.so.1", "driver.ok"].evidence
    nvml = found["libnvidia-ml.so.1", "driver.no-nvml"]
    assert ("install no driver" in nvml.hint, "Debian" in nvml.hint) == (True, False)


@pytest.mark.parametrize(
    ("path", "source", "hint", "step"),
    [
        (f"{FOLDER}/{FILE[-20:]}", FILE, "make the link", f"sudo ln -s {FILE[-20:]} {FOLDER}/libcuda.so.1"),
        ("/opt/lib", FILE[:-21], "make the link", f"sudo ln -s {FILE[-20:]} {FILE[:-21]}/libcuda.so.1"),
        (f"{FOLDER}/libcuda.so.1", FILE[:-2] + "16", "is not here", f"sudo {GENERATE}"),
    ],
    ids=["file", "folder", "gone"],
)
def test_a_driver_that_a_spec_brings_and_no_loader_finds(host, path, source, hint, step):
    """What lacks is said: the link that no hook makes, or the file; never another driver."""
    row = brought(host, {path: source})["libcuda.so.1", "driver.no-libcuda"]
    assert (f"a CDI spec brings {source} as {path}" in row.evidence, (step,)) == (True, row.steps)
    assert ("High", True, True) == (row.severity, hint in row.hint, "install no driver" in row.hint)


def test_a_driver_that_a_spec_brings_and_no_sandbox_is_shown(host):
    """Without a mount namespace its folder can be granted instead."""
    brought(host, {})
    rows = host.driver(view=driver_files.View({}, (), {f"{FOLDER}/libcuda.so.1": FILE}))
    hint = str(rows["libcuda.so.1", "driver.no-libcuda"].hint)
    assert "--env LD_LIBRARY_PATH=/run/nvidia/driver/lib; install no driver" in hint


def test_a_spec_of_another_version(host):
    """Who upgraded the driver must generate the spec again, and not start the machine anew."""
    brought(host, {})
    module(host, "570.1")
    row = host.driver(view=driver_files.View({f"{FOLDER}/libcuda.so.1": FILE}))["libcuda.so.1", "driver.mismatch"]
    assert (f"sudo {GENERATE}",) == row.steps


def test_the_toolkits_stub(host):
    """The library for linking is told from the driver's."""
    host.nodes(*USUAL)
    library(host, folder="/opt/cuda/stubs/lib", version="1.1")
    os.makedirs(f"{host.root}/usr/lib64")
    os.symlink("../../opt/cuda/stubs/lib/libcuda.so.1", f"{host.root}/usr/lib64/libcuda.so.1")
    assert ("libcuda.so.1", "driver.stub") in host.driver()


def test_a_library_that_the_sandbox_may_not_read(host):
    """The sandbox's user tries it, whoever asks."""
    host.nodes(*USUAL)
    library(host)
    library(host, "libnvidia-ml.so")
    for name in ("libcuda", "libnvidia-ml"):
        os.chmod(f"{host.root}/usr/lib64/{name}.so.550.54.15", 0o600 if os.geteuid() == 0 else 0)
    found = host.driver()
    assert "High" == found["libcuda.so.1", "driver.unreadable"].severity
    assert "Low" == found["libnvidia-ml.so.1", "driver.unreadable"].severity


@pytest.mark.parametrize(("usable", "severity"), [(True, "Low"), (False, "High")])
def test_a_module_that_is_not_seen(host, usable, severity):
    """Where the nodes answer all the same, it is only hidden."""
    host.nodes(*USUAL)
    rows = {row.code: row for row in driver.checks(host.inventory(), USER, host.roots, usable=usable)}
    assert severity == rows["driver.not-loaded"].severity


def test_persistenced(host, monkeypatch):
    """A daemon that listens, one that is gone, and a socket that is denied are three things."""
    library(host)
    folder = f"{host.root}/run/nvidia-persistenced"
    os.makedirs(folder)
    monkeypatch.chdir(folder)  # the path of a socket is short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        os.chmod("socket", 0o777)
        monkeypatch.setattr(driver, "SOCKET", "/socket")
        monkeypatch.setattr(driver, "FOLDER", "")
        roots = host.roots.replace(root=os.path.relpath(folder))

        def code():
            return driver._persistenced(USER, roots).code

        assert "persistenced.stale" == code()
        server.listen()
        assert "persistenced.ok" == code()
        os.chmod("socket", 0)
        if os.geteuid() == 0 or os.stat("socket").st_uid == USER.uid:
            assert "persistenced.denied" == code()
    os.unlink("socket")
    assert "persistenced.none" == code()


SPEC = """\
cdiVersion: 0.5.0
kind: nvidia.com/gpu
devices:
- name: "0"
  containerEdits:
    deviceNodes:
    - path: {node}
containerEdits: {{}}
"""


def specs(host, folders, gpu=True):
    """Return the checks of folders of specs by code."""
    found = host.inventory()
    if gpu:
        found = found.replace(gpus=(Gpu(0, "nvidia", ("/dev/nvidia0",)),))
    every = [host.root + folder for folder in folders]
    checks = cdi.checks(registry.read(every), lint.folders(every, found).faults, found)
    return {check.code: check for check in checks}


def test_no_specs(host):
    """Without specs there is something to do where there is a GPU, and only there."""
    os.makedirs(f"{host.root}/cdi")
    assert ["cdi.none"] == [*specs(host, ["/cdi", "/none"], gpu=False)]
    found = specs(host, ["/cdi", "/none"])
    assert ["cdi.no-specs"] == [*found]
    assert f"{host.root}/cdi, {host.root}/none" in found["cdi.no-specs"].evidence


def test_specs_that_are_right(host):
    """The names that resolve are listed."""
    host.nodes("nvidia0")
    host.file("/cdi/nvidia.yaml", SPEC.format(node=f"{host.roots.dev}/nvidia0"))
    os.chmod(f"{host.root}/cdi", 0o755)
    os.chmod(f"{host.root}/cdi/nvidia.yaml", 0o644)
    found = specs(host, ["/cdi"])
    assert ["cdi.ok"] == [*found]
    assert "1 resolve: nvidia.com/gpu=0" == found["cdi.ok"].evidence


def test_specs_that_are_wrong(host):
    """Errors stand before warnings, each kind once with its count; and the linter is named with these folders."""
    host.file("/cdi/a.yaml", SPEC.format(node="/dev/nothing"))
    host.file("/cdi/b.json", "{")
    host.file("/cdi/c.yml", "")
    row = specs(host, ["/cdi"])["cdi.faults"]
    assert ("Medium", (f"openshell gpu lint {host.root}/cdi",)) == (row.severity, row.steps)
    assert "2 errors and 1 warning: " == row.evidence[:24]
    assert f"{host.root}/cdi/a.yaml:7: " in row.evidence
    assert row.evidence.index("cdi.node-missing") < row.evidence.index("cdi.ending")
    os.unlink(f"{host.root}/cdi/a.yaml")
    os.unlink(f"{host.root}/cdi/b.json")
    assert "Low" == specs(host, ["/cdi"])["cdi.faults"].severity


def test_a_gpu_in_no_spec(host):
    """It can be used, and is in no name."""
    host.nodes("nvidia0", "nvidia1")
    host.file("/cdi/nvidia.yaml", SPEC.format(node=f"{host.roots.dev}/nvidia0"))
    found = host.inventory()
    registered = registry.read([f"{host.root}/cdi"])
    checks = list(cdi.checks(registered, lint.folders([f"{host.root}/cdi"], found).faults, found))
    (row,) = [check for check in checks if check.code == "cdi.uncovered"]
    assert ("Low", True, True) == (row.severity, "is here and in no spec" in row.evidence, bool(row.hint))


def test_what_specs_mount(host):
    """Every mount, of whichever device, by where it is seen."""
    mounts = "  mounts: [{hostPath: /run/driver/lib/libcuda.so.1.2, containerPath: /x}]"
    host.file("/cdi/a.yaml", SPEC.format(node="/dev/nvidia0").replace(" {}", f"\n{mounts}"))
    assert {"/x": "/run/driver/lib/libcuda.so.1.2"} == cdi.mounts(registry.read([f"{host.root}/cdi"]))


def test_a_folder_that_cannot_be_listed(host):
    """It is told as that, with the errno."""
    host.file("/cdi")
    found = specs(host, ["/cdi"])
    assert "ENOTDIR" in found["cdi.folder-unreadable"].evidence
    assert found["cdi.folder-unreadable"].steps
    assert "cdi.no-specs" not in found  # nobody knows


@pytest.mark.parametrize(
    ("gpu", "runtime", "severity"),
    [(True, False, "Low"), (True, True, "Informational"), (False, False, "Informational")],
)
def test_engines(monkeypatch, host, gpu, runtime, severity):
    """An engine without CDI matters where there are GPUs, and containers do not get them by NVIDIA's runtime."""
    engine = Engine("docker", "/x", "27.0", "off", "by default from 28.2", runtime, (("/s", False),))
    broken = engine.replace(cdi="on", unreadable=("/a",), invalid=(("/b", "odd"),))
    monkeypatch.setattr("pyopenshell.devices.engines.find", lambda *_: (engine, broken))
    rows = list(engines.checks({}, host.roots, gpu=gpu))
    assert ["engine.cdi-off", "engine.ok", "engine.config-unreadable", "engine.config"] == [row.code for row in rows]
    assert severity == rows[0].severity
    assert "27.0 (/x); CDI is off" in rows[0].evidence
    assert "/s closed to this user" in rows[0].evidence
    assert all("needs no engine" in str(row.hint) for row in rows if row.status != "ok")


def test_no_engine(host):
    """None is quiet."""
    assert ["engine.none"] == [row.code for row in engines.checks({}, host.roots, gpu=True)]


@pytest.mark.parametrize(
    ("found", "codes"),
    [
        (Cgroups("none"), ["cgroup.none"]),
        (Cgroups("v2", "/a", LIMITS, LIMITS), ["cgroup.ok"]),
        (Cgroups("v2", "/a", LIMITS), ["cgroup.not-writable"]),
        (Cgroups("v2", "/a", ("cpu",), ("cpu",)), ["cgroup.no-controllers"]),
        (
            Cgroups("v1", "/a", ("cpu",), (), False, ("c 1:3 rwm",)),
            ["cgroup.no-controllers", "cgroup.not-writable", "cgroup.devices"],
        ),
        (
            Cgroups("v1", "/a", LIMITS, LIMITS, False, ("a *:* rwm",)),
            ["cgroup.ok"],
        ),
    ],
)
def test_cgroups(monkeypatch, host, found, codes):
    """What limits could not rest on is told, and nothing of it fails."""
    monkeypatch.setattr("pyopenshell.devices.cgroups.read", lambda _: found)
    rows = list(cgroups.checks(host.roots))
    assert codes == [row.code for row in rows]
    assert all(row.status != "fail" for row in rows)


@pytest.mark.parametrize(
    ("files", "environ", "expected"),
    [
        ({}, {}, {"surroundings.none"}),
        ({"/.dockerenv": ""}, {}, {"surroundings.container"}),
        ({"/run/systemd/container": "lxc\n"}, {}, {"surroundings.container"}),
        ({"/proc/1/cgroup": "0::/kubepods/besteffort/pod1\n"}, {}, {"surroundings.container"}),
        ({"/proc/1/cgroup": "0::/init.scope\n"}, {}, {"surroundings.none"}),
        ({}, {"container": "podman"}, {"surroundings.container"}),
        ({}, {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, {"surroundings.container"}),
        ({"/proc/sys/kernel/osrelease": "5.15.90-microsoft-standard-WSL2\n"}, {}, {"surroundings.wsl"}),
        ({"/proc/device-tree/compatible": "nvidia,p3737\0nvidia,tegra234\0"}, {}, {"surroundings.tegra"}),
        ({}, {"CUDA_VISIBLE_DEVICES": "0"}, {"surroundings.visible"}),
    ],
)
def test_surroundings(host, files, environ, expected):
    """Containers, other machines and variables are told."""
    for path, text in files.items():
        host.file(path, text)
    assert expected == {row.code for row in surroundings.checks(host.inventory(), environ, host.roots)}


@pytest.mark.parametrize(
    ("environ", "code", "seen"),
    [
        ({"CUDA_VISIBLE_DEVICES": "1"}, "surroundings.visible", "1 of 2 GPUs left (/dev/nvidia1)"),
        ({"CUDA_VISIBLE_DEVICES": ""}, "surroundings.visible-none", "0 of 2 GPUs left (none)"),
        ({"SLURM_STEP_GPUS": "9"}, "surroundings.visible-none", "SLURM_STEP_GPUS=9"),
        ({"NVIDIA_VISIBLE_DEVICES": "none"}, "surroundings.visible-none", "0 of 2"),
        ({"NVIDIA_VISIBLE_DEVICES": "\x1b[2Jx"}, "surroundings.visible", "it narrows nothing"),
    ],
)
def test_variables(host, environ, code, seen):
    """What a variable leaves is said, and that it leaves nothing is a warning with the way out."""
    found = Inventory((Gpu(0, "nvidia", ("/dev/nvidia0",), 0), Gpu(1, "nvidia", ("/dev/nvidia1",), 1)))
    (row,) = surroundings.checks(found, environ, host.roots)
    assert (code, True) == (row.code, seen in row.evidence)
    assert (code == "surroundings.visible") == (row.steps == ())


def test_a_whole_host(host, monkeypatch):
    """All groups together, on a host with everything wrong at once: no group fails by itself."""
    host.nodes("nvidia0", mode=0o600)
    for path in ("/etc/docker/daemon.json", "/proc/driver/nvidia/version", "/proc/self/mountinfo", "/etc/ld.so.cache"):
        host.file(path, b"\xff\0garbage\n" * 50)
    monkeypatch.setattr(who, "identity", lambda: USER)
    rows = everything.Hardware(host.roots, 1, (f"{host.root}/none",)).checks(launch=True)
    assert "doctor.untried" not in {row.code for row in rows}
    assert {"gpu.node-mode", "gpu.node-missing", "driver.no-libcuda"} <= {row.code for row in rows}
