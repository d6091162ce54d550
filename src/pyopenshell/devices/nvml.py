"""What NVIDIA's own library (NVML) tells of the GPUs, through the driver's Python binding, ``pynvml`` of nvidia-ml-py.

The library opens devices, can hang with a broken driver and can crash its process, so it is loaded in one of its own,
with a time limit. A new interpreter and not a fork: a caller with threads could hold a lock of the loader. It costs
11 ms more (of 37 ms, the binding's import included; the driver's own start takes far longer).
"""

from __future__ import annotations

import os
import sys
import time

from pyopenshell.devices import nvidia
from pyopenshell.devices.gpu import Gpu, Inventory, Mig
from pyopenshell.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

SECONDS = 20.0
"""How long the library may take. Without the persistence daemon it starts every GPU, one after the other."""
MOST = 1 << 20
"""Bytes of an answer that are read: thousands of instances need less."""
PROGRAM = "import sys; sys.path[:] = sys.argv[1:]; from pyopenshell.devices.nvml_child import main; main()"
END = "end"
"""The last line of a whole answer."""


class Answer(Record):
    """What the library told. ``gpus`` have no nodes; ``notes`` say what it did not tell, and why."""

    gpus: tuple[Gpu, ...] = ()
    driver: str | None = None
    notes: tuple[str, ...] = ()


def ask(seconds: float = SECONDS) -> Answer:
    """Ask the library, in a process of its own that ends before this returns. Raises nothing."""
    try:
        text, end = _run(seconds)
    except (OSError, ValueError) as error:  # ValueError: no interpreter is known, or a path holds what none can
        return Answer(notes=(f"NVML was not asked: {getattr(error, 'strerror', None) or error}",))
    answer = parsed(text)
    if text.endswith(f"{END}\n"):
        return answer
    return answer.replace(notes=(*answer.notes, f"NVML {end}: what it did not tell comes from /proc and /dev"))


def _run(seconds: float) -> tuple[str, str]:
    """Run the child to its end; return what it wrote, and how it ended in words."""
    path = [folder for folder in sys.path if os.path.isabs(folder)]  # never the current folder's own pynvml
    reader, writer = os.pipe2(os.O_CLOEXEC)
    try:
        try:
            child = os.posix_spawn(
                sys.executable or "",
                [sys.executable or "", "-I", "-S", "-c", PROGRAM, *path],
                os.environ,
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_DUP2, writer, 1),
                    (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
                ],
            )
        finally:
            os.close(writer)
        deadline = time.monotonic() + seconds
        try:
            text, in_time = _read(reader, deadline)
        except BaseException:  # an interrupt leaves nothing behind that hangs
            _ended(child, deadline, in_time=False)
            raise
    finally:
        os.close(reader)
    return text, _ended(child, deadline, in_time=in_time)


def _read(reader: int, deadline: float) -> tuple[str, bool]:
    """Return what comes until the end, and whether that came before the deadline."""
    import select

    poll = select.poll()
    poll.register(reader, select.POLLIN)
    chunks: list[bytes] = []
    while sum(map(len, chunks)) < MOST:
        if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            return b"".join(chunks).decode("utf-8", "replace"), False
        chunk = os.read(reader, 65536)
        if not chunk:
            break
        chunks.append(chunk)
    return b"".join(chunks).decode("utf-8", "replace"), True


def _ended(child: int, deadline: float, *, in_time: bool) -> str:
    """Wait for the child, which is killed at the deadline; return how it ended, in words.

    A process that a driver holds in the kernel does not even die: it is left to whoever reaps this process's children.
    """
    if not in_time:
        os.kill(child, 9)
        deadline = time.monotonic() + 1
    while True:
        try:
            done, status = os.waitpid(child, os.WNOHANG)
        except ChildProcessError:  # the caller of this process has it ignore its children
            return "said no more"
        if done:
            break
        if time.monotonic() > deadline:
            if not in_time:
                return "does not answer and cannot be ended"
            os.kill(child, 9)
            in_time, deadline = False, time.monotonic() + 1
        time.sleep(0.001)
    if not in_time:
        return "did not answer in time"
    code = os.waitstatus_to_exitcode(status)
    return f"died of signal {-code}" if code < 0 else f"ended with {code}"


def parsed(text: str) -> Answer:
    """Return an answer from the child's lines (``devices.nvml_child``).

    A line that is not understood, or is cut off, is passed over.
    """
    gpus: list[Gpu] = []
    notes: list[str] = []
    version = None
    for line in text.split("\n")[:-1]:
        kind, *fields = line.split("\t")
        if kind == "driver" and len(fields) == 1:
            version = fields[0] or None
        elif kind == "note" and len(fields) == 1:
            notes.append(fields[0])
        elif kind == "gpu" and len(fields) == 5:
            index, minor, uuid, name, bus = fields
            place = nvidia.number(index)
            if place is not None:
                number = nvidia.number(minor)
                address = nvidia.bus(bus) if bus else None
                gpus.append(Gpu(place, "nvidia", (), number, nvidia.uuid(uuid), name or None, address))
        elif kind == "mig" and len(fields) == 5 and gpus:
            place, gpu_instance, compute_instance = (nvidia.number(field) for field in fields[:3])
            if place is not None:
                mig = Mig(place, fields[3] or None, fields[4] or None, gpu_instance, compute_instance)
                gpus[-1] = gpus[-1].replace(migs=(*gpus[-1].migs, mig))
    return Answer(tuple(gpus), version, tuple(notes))


def joined(inventory: Inventory, answer: Answer, proc_root: str = "/proc", dev_root: str = "/dev") -> Inventory:
    """Return the inventory with what the library told.

    A GPU keeps its place on the host: in a container, or under Slurm, the library counts those that it can open.
    Where /proc tells no places, the library's are taken.
    """
    notes = [*inventory.notes, *answer.notes]
    gpus = list(inventory.gpus)
    placed = any(gpu.bus for gpu in gpus if gpu.vendor == "nvidia")
    for told in answer.gpus:
        at = _place(gpus, told)
        if at is None:
            if not any(gpu.vendor == "wsl" for gpu in gpus):
                notes.append(f"NVML knows a GPU without a device here: {told.uuid or told.bus or told.index}")
            continue
        own = gpus[at]
        minor = own.minor if own.minor is not None else told.minor
        gpus[at] = own.replace(
            index=own.index if placed or own.vendor != "nvidia" else told.index,
            minor=minor,
            uuid=told.uuid or own.uuid,
            name=told.name or own.name,
            bus=own.bus or told.bus,
            migs=_instances(own.migs, told.migs, minor, proc_root, dev_root),
        )
    shared = [told for told in answer.gpus if any(gpu.vendor == "wsl" for gpu in gpus)]
    if len(shared) == 1:
        gpus = [gpu.replace(uuid=shared[0].uuid, name=shared[0].name) if gpu.vendor == "wsl" else gpu for gpu in gpus]
    elif shared:
        notes.append(f"the Windows host has {len(shared)} GPUs: {', '.join(told.name or '?' for told in shared[:8])}")
    if not placed:
        gpus = [
            *sorted((gpu for gpu in gpus if gpu.vendor == "nvidia"), key=lambda gpu: gpu.index),
            *(gpu for gpu in gpus if gpu.vendor != "nvidia"),
        ]
    return inventory.replace(
        gpus=tuple(gpus),
        driver=inventory.driver or answer.driver,
        source="nvml" if answer.gpus else inventory.source,
        notes=tuple(notes),
    )


def _place(gpus: Sequence[Gpu], told: Gpu) -> int | None:
    """Return where the GPU stands that the library means: the one at its address, else of its number or UUID.

    One without address and number is a Tegra's own.
    """
    own = [(at, gpu) for at, gpu in enumerate(gpus) if gpu.vendor == "nvidia"]
    for key in ("bus", "minor", "uuid"):
        value = getattr(told, key)
        if value is not None:
            for at, gpu in own:
                if getattr(gpu, key) == value:
                    return at
    if told.bus is None and told.minor is None:
        return next((at for at, gpu in enumerate(gpus) if gpu.vendor == "tegra"), None)
    return None


def _instances(
    known: tuple[Mig, ...], told: tuple[Mig, ...], minor: int | None, proc_root: str, dev_root: str
) -> tuple[Mig, ...]:
    """Return a GPU's instances: the library's, with their nodes, and behind them those that it cannot open."""
    nodes = {(mig.gpu_instance, mig.compute_instance): mig.nodes for mig in known}
    migs = []
    for mig in told:
        ids = (mig.gpu_instance, mig.compute_instance)
        own = nodes.pop(ids, ())
        if not own and minor is not None and mig.gpu_instance is not None and mig.compute_instance is not None:
            own = nvidia.capabilities(minor, mig.gpu_instance, mig.compute_instance, proc_root, dev_root)
        migs.append(mig.replace(nodes=own))
    first = max((mig.index for mig in migs), default=-1) + 1
    rest = [mig for mig in known if (mig.gpu_instance, mig.compute_instance) in nodes]
    return (*migs, *(mig.replace(index=first + index) for index, mig in enumerate(rest)))
