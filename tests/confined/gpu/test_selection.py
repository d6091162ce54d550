"""The GPUs that were asked for, and no others: on a host with nodes of a driver's names, by count and by name."""

import os

import pytest

from tests.confined.gpu import hosts
from tests.confined.landlock.harness import needs_landlock
from tests.confined.whole import callers

pytestmark = needs_landlock

GPUS = ("nvidia0", "nvidia1", "nvidia2")
PATHS = tuple(f"/dev/{name}" for name in GPUS)


def host(count=3, *, control=hosts.CONTROL):
    """Return a ``preexec_fn``: /dev has so many GPUs, each a device of its own, and the control nodes."""
    numbers = dict.fromkeys(control, os.makedev(1, 8))
    numbers |= {name: os.makedev(1, minor) for name, minor in zip(GPUS[:count], hosts.MEMORY, strict=False)}

    def make():
        for name, number in numbers.items():
            os.unlink(f"/dev/{name}")
            os.mknod(f"/dev/{name}", 0o020666, number)

    return callers.in_own_mounts(callers.devices(*numbers), make)


@pytest.fixture
def specs(folder):
    """Specs that nvidia-ctk would write for three GPUs."""
    return hosts.spec(folder, hosts.gpus(3), {"deviceNodes": [hosts.node(f"/dev/{name}") for name in hosts.CONTROL]})


@pytest.fixture(params=["specs", "table"])
def known(request, folder):
    """How GPUs are known: by specs, or without any by the table of device nodes."""
    empty = folder / "empty"
    empty.mkdir(exist_ok=True)
    return ("--cdi-spec-dir", request.getfixturevalue("specs") if request.param == "specs" else empty)


CASES = [
    (("--gpu",), (0,)),
    (("--gpu", "1"), (0,)),
    (("--gpu", "2"), (0, 1)),
    (("--gpu", "all"), (0, 1, 2)),
    (("--gpu", "0"), ()),
]


@pytest.mark.parametrize(("asked", "given"), CASES)
def test_a_count(root, known, asked, given):
    """As many as were asked for can be opened, and CUDA is told which; ``--gpu 0`` gives no node at all."""
    told = root.ask(
        hosts.OPENS + 'answer = [answer, os.environ["CUDA_VISIBLE_DEVICES"]]',
        *("-q", *known, *asked),
        options={"preexec_fn": host()},
        paths=[(path, os.O_RDWR) for path in (*PATHS, "/dev/nvidiactl")],
    )
    found, visible = told
    expected = ["opened, ioctl ENOTTY" if index in given else "EACCES" for index in range(3)]
    control = "opened, ioctl EINVAL" if given else "EACCES"
    assert [*expected, control] == [*found.values()]
    assert (",".join(map(str, range(len(given)))) or "-1") == visible


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        (("--device", "nvidia.com/gpu=1"), (1,)),
        (("--device", "nvidia.com/gpu=0", "--device", "nvidia.com/gpu=2"), (0, 2)),
        (("--device", "nvidia.com/gpu=all"), (0, 1, 2)),
        (("--gpu", "2", "--device", "nvidia.com/gpu=2"), (0, 2)),
        (("--gpu", "all", "--device", "nvidia.com/gpu=1"), (0, 1, 2)),
    ],
)
def test_by_name(root, specs, asked, given):
    """Named devices, alone and as part of a count."""
    found = hosts.opened(root, PATHS, "--cdi-spec-dir", specs, *asked, preexec_fn=host())
    assert list(given) == [index for index, path in enumerate(PATHS) if found[path] != "EACCES"]


@pytest.mark.parametrize(
    ("variables", "given"),
    [
        ({"CUDA_VISIBLE_DEVICES": "2,0"}, 2),
        ({"SLURM_STEP_GPUS": "1", "CUDA_VISIBLE_DEVICES": "0"}, 1),
        ({"SLURM_JOB_GPUS": "1,2"}, 1),
        ({"NVIDIA_VISIBLE_DEVICES": "2"}, 2),
        ({"NVIDIA_VISIBLE_DEVICES": "all"}, 0),
    ],
)
def test_what_the_caller_may_see_decides(root, known, variables, given):
    """A count takes the first that the surrounding job or user left visible, in that order."""
    root.environment |= variables
    found = hosts.opened(root, PATHS, *known, "--gpu", preexec_fn=host())
    assert [given] == [index for index, path in enumerate(PATHS) if found[path] != "EACCES"]


def test_the_origin_is_told(root, specs, folder):
    """A GPU that a spec covers has its name and place there as origin; without one the table's, and a finding."""
    own = {"preexec_fn": host()}
    root.run("-q", "-n", "by-spec", "--cdi-spec-dir", specs, "--gpu", "--", "/usr/bin/true", **own)
    (given,) = root.record("by-spec").effective["devices"]["given"]
    assert ("nvidia.com/gpu=0", "cdi", str(specs / "nvidia.json")) == (
        given["name"],
        given["origin"]["kind"],
        given["origin"]["file"],
    )
    root.run("-q", "-n", "by-table", "--cdi-spec-dir", folder, "--gpu", "--", "/usr/bin/true", **own)
    (given,) = root.record("by-table").effective["devices"]["given"]
    assert ("baseline", "gpu") == (given["origin"]["kind"], given["origin"]["name"])
    findings = root.record("by-table").findings
    assert ("gpu.no-spec" in findings, "cdi.spec-refused" in findings) == (True, False)


def test_a_spec_that_is_not_used(root, specs):
    """It is told where a GPU would have come from it: file, line, fault and mend."""
    (specs / "nvidia.json").write_text('{"cdiVersion": "0.5.0",\n "kind": "nvidia.com/gpu", "devicez": []}')
    done = root.run("--cdi-spec-dir", specs, "--gpu", "--", "/usr/bin/true", preexec_fn=host())
    (line,) = [line for line in done.stderr.splitlines() if "a CDI spec is not used" in line]
    assert f"{specs}/nvidia.json:2" in line
    assert "devicez" in line


@pytest.mark.parametrize(
    ("asked", "code", "words"),
    [
        (("--gpu", "4"), "gpu.too-few", ("4 GPUs", "this host has 3", "0 (nvidia), 1 (nvidia), 2 (nvidia)")),
        (("--device", "nvidia.com/gpu=7"), "cdi.unknown-device", ("nvidia.com/gpu=7", "nvidia.com/gpu=0")),
        (("--device", "gpu0"), "cdi.bad-name", ("gpu0", "vendor/class=device")),
        (("--gpu", "1", "--device", "nvidia.com/gpu=all"), "gpu.count", ("--gpu 1", "3 GPUs")),
        (("--gpu", "0", "--device", "nvidia.com/gpu=1"), "gpu.count", ("--gpu 0",)),
    ],
)
def test_what_cannot_be_had(root, specs, asked, code, words):
    """More than there is, an unknown name, a contradiction: an error that lists what there is; nothing is started."""
    error = callers.refused(root, "--cdi-spec-dir", specs, *asked, preexec_fn=host())
    assert code == error["code"]
    text = f"{error['message']} {error['hint']}"
    assert [] == [word for word in words if word not in text], text


def test_a_device_that_is_gone(root, folder):
    """A spec names a node that is not here, or a folder that is not: nothing starts, not even quietly."""
    stale = hosts.spec(folder, {"8": {"deviceNodes": [hosts.node("/dev/nvidia8")]}})
    error = callers.refused(root, "-q", "--cdi-spec-dir", stale, "--device", "nvidia.com/gpu=8", preexec_fn=host())
    assert ("gpu.device-gone", str(stale / "nvidia.json")) == (error["code"], error["file"])
    error = callers.refused(root, "-q", "--cdi-spec-dir", folder / "none", "--gpu", preexec_fn=host())
    assert ("cdi.spec-dir", True) == (error["code"], str(folder / "none") in error["message"])


def test_none_is_left(root, known):
    """A job without GPUs gets none, however many the host has."""
    root.environment["SLURM_STEP_GPUS"] = "9"
    error = callers.refused(root, *known, "--gpu", preexec_fn=host())
    assert ("gpu.too-few", True) == (error["code"], "SLURM_STEP_GPUS" in error["message"])
    assert error["hint"].startswith("SLURM_STEP_GPUS: unset it")


SAMPLES = os.path.join(os.path.dirname(__file__), "../../unit/devices/cdi/samples")


@pytest.mark.parametrize("sample", sorted(name for name in os.listdir(SAMPLES) if name.startswith("nvidia")))
def test_specs_as_nvidia_writes_them(root, folder, sample):
    """Specs of several versions of the driver and of CDI, for the first GPU that each names."""
    # Some specs name the driver's own numbers, behind which there is nothing here: opening it gets as far as that.
    own = callers.in_own_mounts(callers.devices(*GPUS[:2], *hosts.CONTROL))
    place = folder / "sample"
    place.mkdir()
    with open(f"{SAMPLES}/{sample}", encoding="utf-8") as file:
        (place / sample).write_text(file.read())
    found = hosts.opened(root, PATHS, "-n", "sample", "--cdi-spec-dir", place, "--gpu", "1", preexec_fn=own)
    record = root.record("sample")
    (given,) = record.effective["devices"]["given"]
    assert "cdi" == given["origin"]["kind"], record.findings
    assert ["ENXIO", "EACCES", "ENOENT"] == [*found.values()]
    assert "CUDA_VISIBLE_DEVICES" in {one["name"] for one in record.effective["devices"]["env"]}
