"""What the variables of CUDA, of containers and of Slurm leave visible."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyopenshell.devices.gpu import Gpu, Mig
from pyopenshell.devices.visible import CONTAINER, CUDA, ORDER, SLURM, needs_uuids, visible

STEP, JOB = SLURM
UUIDS = ("GPU-aaaa1111", "GPU-aaaa2222", "GPU-bbbb3333", "GPU-cccc4444")


def gpu(index: int, migs: tuple[Mig, ...] = ()) -> Gpu:
    return Gpu(index, "nvidia", (f"/dev/nvidia{index}",), index, UUIDS[index], "NVIDIA H200", migs=migs)


GPUS = tuple(gpu(index) for index in range(4))
SPLIT = (
    gpu(0, migs=(Mig(0, "MIG-1111", "1g", 1, 0), Mig(1, "MIG-1122", "1g", 2, 0))),
    gpu(1, migs=(Mig(0, "MIG-3333", "1g", 1, 0),)),
)


def left(gpus: tuple[Gpu, ...] = GPUS, **environ: str) -> list[int]:
    return [gpu.index for gpu in visible(gpus, environ).gpus]


def instances(**environ: str) -> list[tuple[int, list[str | None]]]:
    return [(gpu.index, [mig.uuid for mig in gpu.migs]) for gpu in visible(SPLIT, environ).gpus]


def test_nothing_set() -> None:
    """Every GPU is visible, and nobody decided."""
    seen = visible(GPUS, {"PATH": "/bin"})
    assert (GPUS, (), ()) == (seen.gpus, seen.by, seen.notes)


@pytest.mark.parametrize(
    ("value", "indexes", "noted"),
    [
        ("0", [0], 0),
        ("2,0", [2, 0], 0),
        (" 1 , 3 ", [1, 3], 0),
        ("", [], 0),
        ("-1", [], 0),
        ("NoDevFiles", [], 0),
        ("0,2,-1,1", [0, 2], 0),
        ("0,4,1", [0], 1),
        ("4", [], 1),
        ("0,x,1", [0], 1),
        ("³", [], 1),
        ("1,1", [], 1),
        ("99999999999999999999", [], 1),
        ("GPU-bbbb3333,GPU-aaaa1111", [2, 0], 0),
        ("GPU-b", [2], 0),
        ("GPU-aaaa", [], 1),
        ("GPU-b,GPU-aaaa,GPU-c", [2], 1),
        ("GPU-b,GPU-bbbb3333", [], 1),
        ("GPU-b,0", [2], 1),
        ("0,GPU-b", [0], 1),
        ("GPU-", [], 1),
        ("gpu-b", [], 1),
    ],
)
def test_cuda_reads_up_to_the_first_invalid_entry(value: str, indexes: list[int], noted: int) -> None:
    """Order is kept; what is invalid, ambiguous or of another kind ends the list, and what comes twice empties it."""
    seen = visible(GPUS, {CUDA: value})
    assert (indexes, (CUDA,), noted) == ([gpu.index for gpu in seen.gpus], seen.by, len(seen.notes))


def test_cuda_counts_the_gpus_that_are_here() -> None:
    """In a container with the host's GPUs 1 and 3, CUDA's number 1 is the second of them."""
    assert [3] == left((GPUS[1], GPUS[3]), CUDA_VISIBLE_DEVICES="1")


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("MIG-1122,MIG-3333,MIG-1111", [(0, ["MIG-1122", "MIG-1111"]), (1, ["MIG-3333"])]),
        ("MIG-3", [(1, ["MIG-3333"])]),
        ("MIG-11", []),
        ("MIG-GPU-aaaa1111/2/0", [(0, ["MIG-1122"])]),
        ("MIG-GPU-aaaa1111/3/0", []),
        ("MIG-GPU-aaaa1111", []),
        ("0", [(0, ["MIG-1111", "MIG-1122"])]),
        ("GPU-aaaa1111,MIG-3333", [(0, ["MIG-1111", "MIG-1122"])]),
    ],
)
def test_instances_by_uuid(value: str, found: list[tuple[int, list[str]]]) -> None:
    """A GPU keeps the instances that are named, in their order; a GPU named as a whole keeps all."""
    assert found == instances(CUDA_VISIBLE_DEVICES=value)


@pytest.mark.parametrize(
    ("value", "indexes", "by"),
    [
        ("", [0, 1, 2, 3], ()),
        ("all", [0, 1, 2, 3], ()),
        ("void", [0, 1, 2, 3], ()),
        ("none", [], (CONTAINER,)),
        ("2,1", [1, 2], (CONTAINER,)),
        ("GPU-bbbb3333", [2], (CONTAINER,)),
        ("7,1", [1], (CONTAINER,)),
    ],
)
def test_a_containers_variable(value: str, indexes: list[int], by: tuple[str, ...]) -> None:
    """It narrows to what it names that is here, and orders nothing."""
    seen = visible(GPUS, {CONTAINER: value})
    assert (indexes, by, ()) == ([gpu.index for gpu in seen.gpus], seen.by, seen.notes)


def test_a_containers_variable_that_fits_nothing() -> None:
    """The container's nodes were narrowed already: it narrows nothing more, and says so."""
    seen = visible(GPUS[:1], {CONTAINER: "GPU-dddd"})
    assert (GPUS[:1], (), 1) == (seen.gpus, seen.by, len(seen.notes))


def test_instances_of_a_containers_variable() -> None:
    """An instance is named by its GPU's place and its own, or by UUID."""
    assert [(0, ["MIG-1122"]), (1, ["MIG-3333"])] == instances(NVIDIA_VISIBLE_DEVICES="0:1,MIG-3333")
    assert [(0, ["MIG-1111", "MIG-1122"])] == instances(NVIDIA_VISIBLE_DEVICES="0:1,0")


@pytest.mark.parametrize(
    ("environ", "indexes"),
    [
        ({STEP: "1"}, [1]),
        ({JOB: "1,3"}, [1, 3]),
        ({JOB: "1-3"}, [1, 2, 3]),
        ({STEP: "2", JOB: "1,2"}, [2]),
        ({STEP: "", JOB: "1,2"}, [1, 2]),
        # With device constraints, CUDA counts from 0 within the job.
        ({STEP: "1", CUDA: "0"}, [1]),
        ({STEP: "1,3", CUDA: "0,1"}, [1, 3]),
        ({STEP: "1,3", CUDA: "1"}, [3]),
        # Without, CUDA has the places on the node.
        ({STEP: "1", CUDA: "1"}, [1]),
        ({STEP: "2,3", CUDA: "2,3"}, [2, 3]),
        ({STEP: "2,3", CUDA: "3"}, [3]),
        # A task's number counts within the whole job.
        ({STEP: "3", JOB: "2,3", CUDA: "1"}, [3]),
        ({STEP: "2,3", CUDA: "-1"}, []),
        ({STEP: "2,3", CUDA: "1,7,0"}, [3]),
        ({STEP: "2,3", CUDA: "GPU-c"}, [3]),
        ({STEP: "2,3", CUDA: "GPU-a"}, []),
        ({STEP: "2,3", CONTAINER: "3"}, [3]),
    ],
)
def test_slurm_decides_first(environ: dict[str, str], indexes: list[int]) -> None:
    """A job's GPUs are never left, whatever CUDA's variable says; its numbers are read as they fit."""
    assert indexes == left(GPUS, **environ)


def test_an_ambiguous_number_is_told() -> None:
    """``1`` of a job with the node's GPUs 1 and 2 can be either: it is counted within the job, and noted."""
    seen = visible(GPUS, {STEP: "1,2", CUDA: "1"})
    assert ([2], 1) == ([gpu.index for gpu in seen.gpus], len(seen.notes))
    assert not visible(GPUS, {STEP: "1,2", CUDA: "0,1"}).notes


@pytest.mark.parametrize("value", ["NoDevFiles", "x", "1,", "-1", "3-1-2", "1;2"])
def test_a_job_whose_gpus_are_not_understood_has_none(value: str) -> None:
    """What cannot be read grants nothing, and says so."""
    seen = visible(GPUS, {STEP: value})
    assert ((), (STEP,), 1) == (seen.gpus, seen.by, len(seen.notes))


def test_a_job_with_gpus_that_are_not_here() -> None:
    """Those that are here count, and the others are told."""
    seen = visible(GPUS, {STEP: "1,9"})
    assert ([1], 1) == ([gpu.index for gpu in seen.gpus], len(seen.notes))


def test_slurm_with_instances() -> None:
    """Where Slurm hands out MIG instances its numbers count those: the UUIDs it gives CUDA decide."""
    assert [(1, ["MIG-3333"])] == instances(SLURM_STEP_GPUS="2", CUDA_VISIBLE_DEVICES="MIG-3333")


def test_models_that_differ() -> None:
    """CUDA puts the fastest first unless told otherwise, which its numbers cannot show: a note says so."""
    mixed = (GPUS[0], GPUS[1].replace(name="NVIDIA T4"))
    assert 1 == len(visible(mixed, {CUDA: "0"}).notes)
    assert 0 == len(visible(mixed, {CUDA: "0", ORDER: "PCI_BUS_ID"}).notes)
    assert 0 == len(visible(mixed, {CUDA: "GPU-aaaa1"}).notes)


def test_wsl_is_all_or_nothing() -> None:
    """One device is all GPUs: numbers choose within it, and only an empty list closes it."""
    one = (Gpu(0, "wsl", ("/dev/dxg",)),)
    assert [0] == left(one, CUDA_VISIBLE_DEVICES="1")
    assert [] == left(one, CUDA_VISIBLE_DEVICES="-1")


def test_amd_is_not_cudas() -> None:
    """The variables of CUDA and of NVIDIA's containers say nothing of AMD's GPUs; Slurm's do."""
    amd = tuple(Gpu(index, "amd", (f"/dev/dri/renderD{128 + index}",)) for index in range(2))
    assert [0, 1] == left(amd, CUDA_VISIBLE_DEVICES="-1", NVIDIA_VISIBLE_DEVICES="none")
    assert [1] == left(amd, SLURM_STEP_GPUS="1")


def test_amd_beside_nvidia() -> None:
    """Places count for each vendor by itself: what narrows NVIDIA's GPUs neither names nor takes AMD's."""
    amd = Gpu(0, "amd", ("/dev/dri/renderD128",))
    assert (GPUS[1], amd) == visible((*GPUS[:2], amd), {CONTAINER: "1"}).gpus
    assert (GPUS[1], amd) == visible((GPUS[1], amd), {CONTAINER: "0"}).gpus
    assert (GPUS[1], amd) == visible((*GPUS[:2], amd), {CUDA: "1"}).gpus


def test_no_gpu_and_every_variable() -> None:
    """Where there is no GPU there is nothing to narrow, and nothing to note."""
    seen = visible((), {CUDA: "0", CONTAINER: "1", STEP: "2"})
    assert ((), (), ()) == (seen.gpus, seen.by, seen.notes)


@pytest.mark.parametrize(
    ("environ", "needed"),
    [
        ({}, False),
        ({CUDA: "0"}, False),
        ({CUDA: "GPU-aaaa1111"}, True),
        ({CONTAINER: "GPU-aaaa1111"}, True),
        ({CUDA: "MIG-1111"}, True),
        ({CUDA: "MIG-GPU-aaaa1111/1/0"}, True),
    ],
)
def test_when_the_library_must_be_asked(environ: dict[str, str], needed: bool) -> None:
    """Only where something is named by a UUID that is not known."""
    masked = (Gpu(0, "nvidia", ("/dev/nvidia0",), 0),)
    assert needed == needs_uuids(masked, environ)
    assert not needs_uuids(SPLIT, environ)


WORDS = st.lists(
    st.one_of(
        st.sampled_from(["", "-1", "all", "none", "void", "MIG-", "MIG-11", "MIG-GPU-aaaa1111/1/0", *UUIDS]),
        st.integers(-2, 6).map(str),
        st.text(max_size=6),
    ),
    max_size=5,
).map(",".join)


@given(
    st.dictionaries(st.sampled_from([CUDA, CONTAINER, STEP, JOB, ORDER]), WORDS),
    st.lists(st.sampled_from((*SPLIT, *GPUS[2:], Gpu(0, "amd", ("/dev/dri/renderD128",)))), unique=True),
)
def test_nothing_is_ever_added(environ: dict[str, str], gpus: list[Gpu]) -> None:
    """Whatever the variables hold: no GPU or instance comes twice or from nowhere, and Slurm's choice is never left."""
    seen = visible(gpus, environ)
    nodes = [gpu.nodes for gpu in seen.gpus]
    assert len(set(nodes)) == len(nodes)
    for one in seen.gpus:
        own = next(gpu for gpu in gpus if gpu.nodes == one.nodes)
        assert set(own.migs) >= set(one.migs)
        assert own == one.replace(migs=own.migs)
    if STEP in seen.by:
        job = {gpu.nodes for gpu in visible(gpus, {STEP: environ[STEP]}).gpus}
        assert job >= set(nodes)
    needs_uuids(gpus, environ)
