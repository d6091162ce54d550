"""What the caller's environment leaves of this host's GPUs: the variables of CUDA, of containers and of Slurm. Pure.

Three numberings meet here. ``Gpu.index`` is a GPU's place on the host: Slurm and NVIDIA_VISIBLE_DEVICES mean it. CUDA
counts from 0 among the GPUs that a program can open, which in a container or under Slurm's device constraints are
fewer. docs/gpu.md has the rules, and where they must guess.
"""

from __future__ import annotations

from pyopenshell.devices.gpu import Gpu, Mig
from pyopenshell.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CUDA, CONTAINER = "CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES"
SLURM = ("SLURM_STEP_GPUS", "SLURM_JOB_GPUS")
"""The first that is set decides: a step has a part of its job's GPUs."""
ORDER = "CUDA_DEVICE_ORDER"
ENDS = ("", "-1", "NoDevFiles")
"""Entries that end a list on purpose: nothing, CUDA's own word for none, and older Slurm's."""
NARROWS_NOT = ("", "all", "void")
"""Values of NVIDIA_VISIBLE_DEVICES that leave every GPU. CDI specs set ``void`` for containers that they serve."""


class Visible(Record):
    """The GPUs left, in the order in which CUDA counts them.

    Where a variable names MIG instances, a GPU's ``migs`` are those alone. ``by`` are the variables that decided;
    ``notes`` are sentences on what could not be told.
    """

    gpus: tuple[Gpu, ...]
    by: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def visible(gpus: Sequence[Gpu], environ: Mapping[str, str]) -> Visible:
    """Return the GPUs that the environment leaves. Nothing here widens what an earlier rule narrowed."""
    by: list[str] = []
    notes: list[str] = []
    left = list(gpus)
    left = _slurm(left, environ, by, notes)
    left = _container(left, environ, by, notes)
    if CUDA in environ and any(_counts(gpu) for gpu in gpus):
        by.append(CUDA)
        others = [gpu for gpu in left if not _counts(gpu)]
        left = [*_cuda([gpu for gpu in left if _counts(gpu)], environ, by, notes), *others]
    return Visible(tuple(left), tuple(by), tuple(notes))


def needs_uuids(gpus: Sequence[Gpu], environ: Mapping[str, str]) -> bool:
    """Whether a variable names by UUID what the inventory has no UUID of, so that NVML must be asked."""
    words = [word.strip() for name in (CUDA, CONTAINER) for word in environ.get(name, "").split(",")]
    by_gpu = any(word.startswith(("GPU-", "MIG-GPU-")) for word in words)
    by_mig = any(word.startswith("MIG-") and not word.startswith("MIG-GPU-") for word in words)
    return (by_gpu and any(_counts(gpu) and not gpu.uuid for gpu in gpus)) or (
        by_mig and not any(mig.uuid for gpu in gpus for mig in gpu.migs)
    )


def _counts(gpu: Gpu) -> bool:
    """Whether the variables of CUDA and of NVIDIA's containers mean this GPU."""
    return gpu.vendor != "amd"


def _slurm(gpus: list[Gpu], environ: Mapping[str, str], by: list[str], notes: list[str]) -> list[Gpu]:
    """Leave the GPUs of the job's step: their places on the node, as in ``0,2`` (src/interfaces/gres.c)."""
    name = next((name for name in SLURM if environ.get(name)), None)
    if name is None or not gpus:
        return gpus
    if any(word.strip().startswith("MIG-") for word in environ.get(CUDA, "").split(",")):
        # With MIG instances as its resources, Slurm counts those, and gives CUDA their UUIDs.
        notes.append(f"{name} counts MIG instances here: {CUDA} decides alone")
        return gpus
    by.append(name)
    numbers = _ranges(environ[name])
    if numbers is None:
        notes.append(f"{name} is not understood ({_short(environ[name])}): no GPU is left")
        return []
    kept = [gpu for gpu in gpus if gpu.index in numbers]
    missing = sorted(numbers - {gpu.index for gpu in gpus})
    if missing:
        notes.append(f"{name} names GPUs that are not here: {', '.join(map(str, missing[:8]))}")
    return kept


def _ranges(text: str) -> set[int] | None:
    """Return the numbers of ``0,2`` and ``0-2,5``; None where the text is anything else."""
    numbers: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        low = _index(first)
        high = _index(last) if dash else low
        if low is None or high is None:
            return None
        numbers.update(range(low, high + 1))
    return numbers


def _container(gpus: list[Gpu], environ: Mapping[str, str], by: list[str], notes: list[str]) -> list[Gpu]:
    """Leave what NVIDIA_VISIBLE_DEVICES names.

    Whoever set it for a container narrowed the device nodes already, and it may number GPUs otherwise than is seen
    here: entries that fit none are passed over, and where none fits, nothing is narrowed.
    """
    value = environ.get(CONTAINER, "").strip()
    if value in NARROWS_NOT or not any(_counts(gpu) for gpu in gpus):
        return gpus
    if value == "none":
        by.append(CONTAINER)
        return [gpu for gpu in gpus if not _counts(gpu)]
    named: dict[int, list[Mig] | None] = {}
    for word in value.split(","):
        for position, mig in _find(gpus, word.strip(), number=True):
            known = named.get(position, [])
            named[position] = None if mig is None or known is None else [*known, mig]
    if not named:
        notes.append(f"{CONTAINER} names nothing that is here ({_short(value)}): it narrows nothing")
        return gpus
    by.append(CONTAINER)
    return [
        _narrowed(gpu, named[position]) if position in named else gpu
        for position, gpu in enumerate(gpus)
        if position in named or not _counts(gpu)
    ]


def _cuda(gpus: list[Gpu], environ: Mapping[str, str], by: list[str], notes: list[str]) -> list[Gpu]:
    """Leave what CUDA_VISIBLE_DEVICES names, in its order, as CUDA reads it: up to the first entry that is invalid.

    An entry that comes twice leaves nothing. The first entry's kind (number, GPU-, MIG-) is that of all; an entry of
    another kind is invalid (CUDA programming guide, environment variables).
    """
    words = [word.strip() for word in environ[CUDA].split(",")]
    if any(gpu.vendor == "wsl" for gpu in gpus):
        return [] if words[0] in ENDS else gpus
    kind = words[0][:4] if words[0].startswith(("GPU-", "MIG-")) else ""
    if kind:
        found = [_find(gpus, word, number=False) if word.startswith(kind) else [] for word in words]
    else:
        found = [[(place, None)] for place in _places(words, gpus, by, notes)]
        _order_of_models(gpus, environ, notes)
    order: list[tuple[int, Mig | None]] = []
    for word, meant in zip(words, [*found, []], strict=False):
        if len(meant) != 1:
            if word not in ENDS:
                notes.append(f"{CUDA}: {_short(word)} is no GPU here, or not one alone, and CUDA reads no further")
            break
        if meant[0] in order:
            notes.append(f"{CUDA} names {_short(word)} twice: CUDA then finds nothing")
            return []
        order.append(meant[0])
    return [
        _narrowed(gpus[place], [mig for at, mig in order if at == place and mig] if kind == "MIG-" else None)
        for place in dict.fromkeys(place for place, _ in order)
    ]


def _places(words: list[str], gpus: list[Gpu], by: list[str], notes: list[str]) -> list[int]:
    """Return CUDA's numbers as places among these GPUs, up to the first that is none.

    With device constraints Slurm counts a job's GPUs from 0; without them it writes their places on the node. Where
    both readings fit, the first is taken: it is right wherever a job cannot open others' GPUs. Where neither fits and
    there are as many numbers as GPUs, they stand as they are: a task's numbers count within its whole job.
    """
    numbers = []
    for word in words:
        number = _index(word)
        if number is None:
            break
        numbers.append(number)
    on_node = [gpu.index for gpu in gpus]
    local = all(number < len(gpus) for number in numbers)
    if any(name in by for name in SLURM):
        whole = all(number in on_node for number in numbers)
        if whole and not local:
            return [on_node.index(number) for number in numbers]
        if whole and {on_node[number] for number in numbers} != set(numbers):
            notes.append(f"{CUDA} is read as counting from 0 within the job; on the node it would name other GPUs")
        if not local and not whole and len(numbers) == len(gpus):
            notes.append(f"{CUDA} fits neither the job's GPUs nor their count: Slurm's choice stands")
            return list(range(len(gpus)))
    end = next((at for at, number in enumerate(numbers) if number >= len(gpus)), len(numbers))
    return numbers[:end]


def _order_of_models(gpus: list[Gpu], environ: Mapping[str, str], notes: list[str]) -> None:
    if environ.get(ORDER, "FASTEST_FIRST") != "PCI_BUS_ID" and len({gpu.name for gpu in gpus}) > 1:
        notes.append(
            f"{CUDA} is read in the order of the PCI bus; CUDA itself puts the fastest model first unless "
            f"{ORDER}=PCI_BUS_ID"
        )


def _find(gpus: list[Gpu], word: str, *, number: bool) -> list[tuple[int, Mig | None]]:
    """Return the places of the GPUs, and the instances, that an identifier means: one where it is good.

    ``GPU-…`` may be shortened; ``MIG-GPU-…/1/0`` is how older drivers name an instance; with ``number`` a GPU's place
    on the host (``2``) or an instance's on its GPU (``2:0``) is one too.
    """
    if word.startswith("MIG-GPU-"):
        uuid, _, ids = word.removeprefix("MIG-").partition("/")
        return [
            (position, mig)
            for position, gpu in enumerate(gpus)
            if gpu.uuid == uuid
            for mig in gpu.migs
            if ids == f"{mig.gpu_instance}/{mig.compute_instance}"
        ]
    if word.startswith("MIG-"):
        return [
            (position, mig)
            for position, gpu in enumerate(gpus)
            for mig in gpu.migs
            if mig.uuid and mig.uuid.startswith(word)
        ]
    if word.startswith("GPU-"):
        return [(position, None) for position, gpu in enumerate(gpus) if gpu.uuid and gpu.uuid.startswith(word)]
    first, colon, second = word.partition(":")
    place, instance = _index(first), _index(second)
    if not number or place is None or (colon and instance is None):
        return []
    return [
        (position, mig)
        for position, gpu in enumerate(gpus)
        if gpu.index == place and _counts(gpu)
        for mig in ([None] if not colon else [mig for mig in gpu.migs if mig.index == instance])
    ]


def _narrowed(gpu: Gpu, migs: list[Mig] | None) -> Gpu:
    return gpu if migs is None else gpu.replace(migs=tuple(dict.fromkeys(migs)))


def _index(text: str) -> int | None:
    if not (0 < len(text) < 5 and text.isascii() and text.isdigit()):
        return None
    return int(text)


def _short(text: str) -> str:
    return repr(text if len(text) <= 48 else text[:47] + "…")
