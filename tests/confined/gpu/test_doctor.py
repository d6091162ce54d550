"""``openshell doctor`` on hosts with real device nodes of their own: it says what opening and launching give."""

import errno
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from pyopenshell.kernel import namespaces as ns
from tests.confined.gpu import hosts
from tests.confined.landlock.harness import NOBODY, needs_landlock
from tests.confined.launch import world
from tests.confined.whole import callers
from tests.unit.devices.test_libraries import elf
from tests.unit.test_imports import imports

pytestmark = needs_landlock

ALL = ("nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", "nvidia-modeset", "nvidia0", "nvidia1")
ZERO, FULL, NOBODYS = os.makedev(1, 5), os.makedev(1, 7), os.makedev(240, 77)
VARIABLES = ("CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES", "SLURM_STEP_GPUS", "SLURM_JOB_GPUS", "LD_LIBRARY_PATH")
VERSION = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.86.15  Release Build\n"
DEVICES = Path("/sys/fs/cgroup/devices")


def as_nobody():
    """Become an ordinary user."""
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)


def nodes(names, number=ZERO, mode=0o666):
    """Return the action that adds device nodes."""

    def make():
        for name in names:
            path = f"/dev/{name}"
            Path(path).parent.mkdir(exist_ok=True)
            os.mknod(path, 0o020000, number)
            os.chmod(path, mode)

    return make


def driver():
    """Give the program a driver's /proc."""
    ns.mount("tmpfs", "/proc/driver", "tmpfs", 0, "mode=755")
    Path("/proc/driver/nvidia").mkdir()
    Path("/proc/driver/nvidia/version").write_text(VERSION)


class Doctor:
    """The command in a working folder, as root or as an ordinary user, on a host that actions have made."""

    def __init__(self, who, workdir, state):
        self.who, self.workdir, self.state = who, workdir, state
        kept = {key: value for key, value in os.environ.items() if key not in VARIABLES}
        self.environ = {**kept, "XDG_STATE_HOME": str(state), "HOME": str(state), "TMPDIR": "/tmp"}

    def run(self, *words, host=(), environ=None):
        last = [as_nobody] if self.who == "user" else []
        return subprocess.run(
            [*world.COMMAND, *words],
            cwd=self.workdir,
            env=self.environ | (environ or {}),
            preexec_fn=callers.in_own_mounts(callers.devices(), driver, *host, *last),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=world.SECONDS,
            check=False,
        )

    def found(self, *words, host=(), environ=None, code=0):
        """Return what it found: the answer about GPUs, and the checks by name."""
        done = self.run("doctor", "-o", "json", *words, host=host, environ=environ)
        assert (code, "") == (done.returncode, done.stderr), done.stdout
        shape = json.loads(done.stdout)
        assert shape["works"]
        assert "doctor.untried" not in {check["code"] for check in shape["checks"]}
        return shape["gpu_works"], {check["name"]: check for check in shape["checks"]}


@pytest.fixture(params=["root", "user"])
def doctor(request, workdir):
    world.needs_root()
    world.needs_namespaces()
    with tempfile.TemporaryDirectory(prefix="openshell-kept.", dir="/tmp") as folder:
        os.chmod(folder, 0o755)
        state = Path(folder, "state")
        state.mkdir()
        if request.param == "user":
            os.chown(state, NOBODY, NOBODY)
            os.chown(workdir, NOBODY, NOBODY)
        yield Doctor(request.param, workdir, state)


@pytest.fixture
def library():
    """The folder of a file that is a library by its head."""
    with tempfile.TemporaryDirectory(prefix="driver-", dir="/tmp") as folder:
        os.chmod(folder, 0o755)
        for name in ("libcuda.so", "libnvidia-ml.so"):
            file = Path(folder, f"{name}.570.86.15")
            file.write_bytes(elf({"x86_64": 62, "aarch64": 183}[os.uname().machine]))
            Path(folder, f"{name}.1").symlink_to(file.name)
        yield folder


def codes(checks, *names):
    """Return the codes of device nodes."""
    return {name: checks[f"/dev/{name}"]["code"] for name in names}


def test_a_host_with_gpus(doctor, library):
    """Every node opens, a sandbox with both GPUs was made; and nothing of the trials stays."""
    before = {name for name in os.listdir("/tmp") if name.startswith("openshell-doctor-")}
    environ = {"LD_LIBRARY_PATH": library}
    works, checks = doctor.found("--gpu", "all", host=[nodes(ALL)], environ=environ)
    assert works
    assert dict.fromkeys(ALL, "gpu.node-ok") == codes(checks, *ALL)
    assert ("sandbox.ok", "gpu.sandbox-ok") == (checks["a sandbox"]["code"], checks["a GPU sandbox"]["code"])
    assert f"with {len(ALL)} device nodes" in checks["a GPU sandbox"]["evidence"]
    assert "version 570.86.15" == checks["kernel module"]["evidence"]
    assert "driver.not-in-cache" == checks["libcuda.so.1"]["code"]
    assert not (doctor.state / "openshell" / "runs").exists()
    assert before == {name for name in os.listdir("/tmp") if name.startswith("openshell-doctor-")}


def test_a_host_without_gpus(doctor):
    """Without --gpu that is fine; with it the answer is no, and so it is for a run."""
    works, checks = doctor.found()
    assert (None, "gpu.none") == (works, checks["gpu"]["code"])
    works, checks = doctor.found("--gpu", code=1)
    assert (False, "gpu.missing", "High") == (works, checks["gpu"]["code"], checks["gpu"]["severity"])
    done = doctor.run("run", "--gpu", "-o", "json", "--", "true")
    assert (125, "gpu.missing") == (done.returncode, json.loads(done.stderr)["error"]["code"])


@pytest.mark.parametrize(
    ("host", "code", "answer"),
    [
        ([nodes(["nvidia0"], mode=0o600)], "gpu.node-mode", errno.EACCES),
        ([nodes(["nvidia0"], NOBODYS)], "gpu.node-dead", errno.ENXIO),
    ],
)
def test_the_only_gpu_cannot_be_opened(doctor, host, code, answer, library):
    """Sandboxes work, and none with a GPU; the exit code is about what was asked for."""
    host = [nodes(ALL[:4]), *host]
    works, checks = doctor.found(host=host, environ={"LD_LIBRARY_PATH": library})
    row = checks["/dev/nvidia0"]
    assert (False, code, "High", "fail") == (works, row["code"], row["severity"], row["status"])
    assert errno.errorcode[answer] in row["evidence"]
    assert row["hint"]
    assert row["steps"]
    assert not doctor.found("--gpu", host=host, environ={"LD_LIBRARY_PATH": library}, code=1)[0]


def test_one_gpu_of_two(doctor, library):
    """The other one can be used: asked for one, a sandbox gets it or not, and that is the answer."""
    host = [nodes(ALL[:4]), nodes(["nvidia0"], mode=0o600), nodes(["nvidia1"])]
    environ = {"LD_LIBRARY_PATH": library, "CUDA_VISIBLE_DEVICES": "1"}
    works, checks = doctor.found("--gpu", host=host, environ=environ)
    assert works
    assert ("gpu.node-mode", "Medium") == (checks["/dev/nvidia0"]["code"], checks["/dev/nvidia0"]["severity"])
    assert "gpu.sandbox-ok" == checks["a GPU sandbox"]["code"]
    works, checks = doctor.found("--gpu", "all", host=host, environ={"LD_LIBRARY_PATH": library}, code=1)
    assert ("gpu.sandbox-failed", True) == (
        checks["a GPU sandbox"]["code"],
        "/dev/nvidia0 (blocked)" in checks["a GPU sandbox"]["evidence"],
    )


def test_a_file_system_without_devices(doctor):
    """The mode allows it and the mount does not: that is told apart."""

    def remount():
        ns.mount(None, "/dev", None, ns.MS_REMOUNT | ns.MS_BIND | ns.MS_NODEV, None)

    place = [nodes(ALL), remount]
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        os.chmod(folder, 0o755)
        done = doctor.run("doctor", "-o", "json", host=place)
    checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert ("gpu.node-denied", True) == (
        checks["/dev/nvidia0"]["code"],
        "findmnt -T /dev/nvidia0" in checks["/dev/nvidia0"]["steps"],
    )


@pytest.fixture
def denying():
    """An action that puts the program into a device cgroup without /dev/full's number."""
    world.needs_root()
    if not (DEVICES / "devices.deny").exists():
        pytest.skip("needs: the device cgroup of version 1")
    folder = DEVICES / f"doctor-{os.getpid()}"
    folder.mkdir()
    (folder / "devices.deny").write_text("c 1:7 rwm")
    yield lambda: (folder / "cgroup.procs").write_text(str(os.getpid()))
    for _ in range(200):
        try:
            folder.rmdir()
            break
        except OSError:  # the last process has ended, and is not gone yet
            time.sleep(0.01)


def test_the_device_cgroup(doctor, denying):
    """A container's, job's or service's rules deny everybody: EPERM, where modes would be EACCES."""
    _, checks = doctor.found(host=[nodes(ALL[:4]), nodes(["nvidia0"], FULL), denying])
    assert ("gpu.node-cgroup", "High") == (checks["/dev/nvidia0"]["code"], checks["/dev/nvidia0"]["severity"])
    assert "EPERM" in checks["/dev/nvidia0"]["evidence"]
    assert "--device" in checks["/dev/nvidia0"]["hint"]


def test_missing_and_administrative_nodes(doctor):
    """What should be beside a GPU is named; what manages all GPUs is never tried."""
    _, checks = doctor.found(host=[nodes(["nvidia0", "nvidiactl", "nvidia-nvlink"])])
    assert {"nvidia-uvm": "gpu.node-missing", "nvidia-nvlink": "gpu.node-admin"} == codes(
        checks, "nvidia-uvm", "nvidia-nvlink"
    )


def test_variables_that_leave_nothing(doctor, library):
    """The sandbox that is launched says so, and the variable is named with the way out."""
    environ = {"LD_LIBRARY_PATH": library, "CUDA_VISIBLE_DEVICES": "7"}
    works, checks = doctor.found("--gpu", host=[nodes(ALL)], environ=environ, code=1)
    assert (False, ["unset CUDA_VISIBLE_DEVICES"]) == (works, checks["variables"]["steps"])
    assert ("gpu.sandbox-failed", True) == (
        checks["a GPU sandbox"]["code"],
        "CUDA_VISIBLE_DEVICES" in checks["a GPU sandbox"]["evidence"],
    )


def test_specs_are_read_from_the_folder_given(doctor):
    """The flag's folder is looked into, by the doctor and by the sandbox that it launches."""
    # A GPU is known by its node's number, so that each has its own.
    host = [nodes(ALL[:4], FULL), nodes(["nvidia0"], ZERO), nodes(["nvidia1"], os.makedev(1, 3))]
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        place = hosts.spec(Path(folder), {"0": {"deviceNodes": [hosts.node("/dev/nvidia0")]}})
        for path, mode in ((folder, 0o755), (place, 0o755), (place / "nvidia.json", 0o644)):
            os.chmod(path, mode)
        _, checks = doctor.found("--gpu", "--cdi-spec-dir", str(place), host=host, code=1)
        assert "1 resolve: nvidia.com/gpu=0" == checks["devices"]["evidence"]
        assert "cdi.uncovered" in {check["code"] for check in checks.values()}
        assert ", as nvidia.com/gpu=0" in checks["a GPU sandbox"]["evidence"]
        (place / "nvidia.json").write_text("{")
        _, checks = doctor.found("--cdi-spec-dir", str(place), host=host)
        assert ("cdi.faults", [f"openshell gpu lint {place}"]) == (checks["specs"]["code"], checks["specs"]["steps"])


def test_a_driver_that_only_a_spec_brings(doctor, library):
    """A driver container's: the loader of the host finds none, a sandbox's does; nobody is to install another."""
    versioned = f"{library}/libcuda.so.570.86.15"
    folder = f"/usr/lib/{os.uname().machine}-linux-gnu"
    if os.path.exists(f"{folder}/libcuda.so.1"):
        pytest.skip("needs: a host without NVIDIA's driver")
    control = [hosts.node(f"/dev/{name}") for name in ALL[:4]]

    def found(name, code):
        edits = {"mounts": [hosts.mount(versioned, f"{folder}/{name}", "ro")], "deviceNodes": control}
        with tempfile.TemporaryDirectory(dir="/tmp") as place:
            cdi = hosts.spec(Path(place), {"0": {"deviceNodes": [hosts.node("/dev/nvidia0")]}}, edits)
            for path, mode in ((place, 0o755), (cdi, 0o755), (cdi / "nvidia.json", 0o644)):
                os.chmod(path, mode)
            host = [nodes(ALL[:4]), nodes(["nvidia0"], FULL)]
            works, checks = doctor.found("--gpu", "--cdi-spec-dir", str(cdi), host=host, code=code)
        assert "install the driver" not in " ".join(str(check["hint"]) for check in checks.values())
        return works, checks["libcuda.so.1"]

    works, row = found("libcuda.so.1", 0)
    assert (True, "driver.ok", True) == (works, row["code"], f"is {versioned}, by a CDI spec" in row["evidence"])
    works, row = found("libcuda.so.570.86.15", 1)  # the link is a hook's to make
    link = f"sudo ln -s libcuda.so.570.86.15 {folder}/libcuda.so.1"
    assert (False, "driver.no-libcuda", [link]) == (works, row["code"], row["steps"])


def test_what_says_nothing_about_sandboxes(doctor):
    """Neither an empty PATH nor an empty /dev keeps a sandbox from working."""
    _, checks = doctor.found(environ={"PATH": ""})
    assert "sandbox.ok" == checks["a sandbox"]["code"]
    _, checks = doctor.found(host=[callers.tmpfs("/dev")])
    assert "sandbox.ok" == checks["a sandbox"]["code"]


def test_a_folder_of_specs_that_is_closed(doctor):
    """Whether there are specs in it is not known to who cannot list it, and nobody is told to write one."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        done = doctor.run("doctor", "-o", "json", "--cdi-spec-dir", folder, host=[nodes(ALL)])
    told = [(check["code"], check["evidence"]) for check in json.loads(done.stdout)["checks"]]
    expected = {  # modes keep root from nothing
        "root": [("cdi.no-specs", f"no spec in {folder}")],
        "user": [("cdi.folder-unreadable", "cannot be listed: EACCES")],
    }
    assert expected[doctor.who] == [one for one in told if one[0] in ("cdi.no-specs", "cdi.folder-unreadable")]


def test_groups_that_a_spec_adds(doctor):
    """Root's sandboxes get the groups of a spec, and the nodes are tried with them; a user cannot be given any."""
    host = [nodes(ALL[:4], FULL), nodes(["nvidia0"], mode=0o660), lambda: os.chown("/dev/nvidia0", 0, 44)]
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        edits = {"deviceNodes": [hosts.node("/dev/nvidia0")], "additionalGids": [44]}
        place = hosts.spec(Path(folder), {"0": edits})
        for path, mode in ((folder, 0o755), (place, 0o755), (place / "nvidia.json", 0o644)):
            os.chmod(path, mode)
        _, checks = doctor.found("--cdi-spec-dir", str(place), host=host)
        _, without = doctor.found("--cdi-spec-dir", folder, host=host)
    expected = "gpu.node-ok" if doctor.who == "root" else "gpu.node-mode"
    assert [expected, "gpu.node-mode"] == [found["/dev/nvidia0"]["code"] for found in (checks, without)]


def test_the_table(doctor):
    """People read the worst first, each with its steps, then one sentence; a pipe gets no colours."""
    done = doctor.run("doctor", host=[nodes(["nvidiactl", "nvidia0"], mode=0o600)])
    assert (0, "") == (done.returncode, done.stderr)
    assert "\x1b" not in done.stdout
    lines = done.stdout.splitlines()
    assert ["/dev/nvidia0", "fail"] in [line.split()[:2] for line in lines]
    advice = [line for line in lines if line.startswith(("fail ", "warn "))]
    assert sorted(advice, key=lambda line: line.startswith("warn")) == advice
    assert "    $ sudo chmod 0666 /dev/nvidia0" in lines
    assert "A sandbox works here. One with a GPU does not: see what failed above." == lines[-1]


def test_a_start_of_a_sandbox_imports_none_of_it(workdir):
    """What only the doctor needs costs ``openshell run`` nothing."""
    code = "import sys; from pyopenshell.__main__ import main; sys.exit(main(['run', '-q', '--', 'true']))"
    found, done = imports(code, cwd=workdir)
    assert 0 == done.returncode, done.stderr
    names = ("cli.doctor", "devices.engines", "devices.engine_config", "devices.libraries", "devices.cgroups")
    assert "pyopenshell.planning" in " ".join(found)
    assert [] == [name for name in found if name.startswith(tuple(f"pyopenshell.{name}" for name in names))]
