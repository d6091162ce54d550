"""What CUDA is known to need of a host, as a table, and what of it this process does not get.

The rows were collected from the failures of programs that lacked one of them; ``errors`` are the numbers with which
``cuInit`` was seen to fail then, or is expected to. Their order is that of likelihood.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from pyopenshell.devices import nodes
from pyopenshell.devices.probe import apart, attempt, mends
from pyopenshell.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pyopenshell.devices.probe.apart import Tell

OK, DENIED, MISSING, FAILED = "ok", "denied", "missing", "failed"
ORDER = (DENIED, FAILED, MISSING)
"""The likelier cause first: what is missing may be missing on hosts where CUDA works, too."""
THREAD_NAMES = "/proc/self/task/<tid>/comm"
LARGEST_MINOR = 63
"""Nodes are looked for by number up to this one where /dev cannot be listed, as in a sandbox."""
DIED = -1
"""In place of an errno: the process that tried did not come back."""
CAPABILITIES = "/proc/driver/nvidia/capabilities"


class Need(Record):
    """One access: how it is tried (``attempt.WAYS``), what it is for, what to do where it is denied.

    ``group``: of the needs that share one, a single one that works is enough. Without
    ``errors`` CUDA starts, and programs miss it later. ``optional``: nothing is wrong where
    the path does not exist.
    """

    way: str
    path: str
    reason: str
    mend: str
    errors: tuple[int, ...] = ()
    group: str | None = None
    optional: bool = False


class Lacking(Record):
    """A need that was not met: ``status`` is ``denied``, ``missing`` or ``failed``; ``by`` says who denied it."""

    need: Need
    status: str
    answer: str
    by: str | None = None

    @property
    def mend(self) -> str:
        """What to do: it depends on who denied it."""
        return mends.mend(self)


GRANT = "ask for the GPU (openshell run --gpu), and do not declare the node read-only in the policy"
PROC = "every policy grants /proc for reading: look for a container engine that masks it, or a /proc with hidepid"
FIRST = (
    Need(
        "thread name",
        THREAD_NAMES,
        "cuInit starts threads and names them",
        "leave the policy's runtime.cuda_thread_names out, or set it to auto or broker",
        (304,),
    ),
)
CONTROL = {"nvidiactl": (304, 100), "nvidia-uvm": (304, 999), "nvidia-uvm-tools": (304,), "nvidia-modeset": (304,)}
"""Errors where a control node does not open."""
NEEDED = ("nvidiactl", "nvidia-uvm")
"""The control nodes without which CUDA never starts."""
LOAD = "load the driver and make its nodes: nvidia-modprobe -c 0 -u"
REST = (
    Need("memory", "memfd_create(2)", "cuInit shares memory through it", "allow it in the syscall filter", (304,)),
    Need("read", "/proc/driver/nvidia/version", "the driver's version", PROC, (999, 304), optional=True),
    Need("read", "/proc/driver/nvidia-uvm", "the state of unified memory", PROC, (999, 304), optional=True),
    Need("read", "/proc/devices", "the numbers of the driver's nodes", PROC, (999, 304)),
    Need("read", "/proc/self/maps", "where the driver's memory lies", PROC, (999, 304)),
    Need("read", "/proc/cpuinfo", "the processors beside the GPU", PROC, (999, 304)),
    Need("read", "/proc/meminfo", "how much memory there is", PROC, (999, 304)),
    Need("read", "/dev/urandom", "random numbers", "grant it: every policy's baseline does", (304,)),
    Need(
        "connect",
        "/run/nvidia-persistenced/socket",
        "keeps the GPU initialised; a denial is fatal where its absence is not",
        "ask for the GPU (openshell run --gpu), or stop the daemon",
        (304, 3),
        optional=True,
    ),
    Need("write", "/dev/shm", "shared memory of several processes (NCCL, data loaders)", "make it writable"),  # noqa: S108
)
CACHE = ("CUDA_CACHE_PATH", "CUDA_CACHE_DISABLE", ".nv/ComputeCache")


def table(environ: Mapping[str, str]) -> Iterator[Need]:
    """Return what CUDA needs on this host: the nodes that are here, and the rest."""
    yield from FIRST
    yield from _nodes()
    yield from REST
    path, off, default = CACHE
    folder = environ.get(path) or (f"{environ['HOME']}/{default}" if environ.get("HOME") else None)
    if folder and environ.get(off) != "1":
        yield Need("write", folder, "compiled kernels are kept here", f"set {path} to a folder that can be written")


def _nodes() -> Iterator[Need]:
    present = [device for device in nodes.present() if device.role in ("control", "gpu")]
    known = {device.path: device for device in present}
    if not any(device.vendor in ("wsl", "tegra") for device in present):
        for name in NEEDED:
            if f"/dev/{name}" not in known:
                yield Need("device", f"/dev/{name}", "CUDA begins here", LOAD, CONTROL[name])
    for device in present:
        if device.vendor == "amd":
            continue
        errors = CONTROL.get(device.path.removeprefix("/dev/"), (100, 999))
        group = "gpu" if device.role == "gpu" else None
        yield Need("device", device.path, device.reason.rstrip("."), GRANT, errors, group)
    for path in _numbered():
        if path not in known:
            yield Need("device", path, "one GPU", GRANT, (100,), "gpu")
    for path in _capabilities():
        yield Need("capability", path, "a MIG instance", GRANT, (100,), "mig")


def _numbered() -> list[str]:
    """Return the nodes of NVIDIA's GPUs by looking at each name: whether a path exists can always be asked."""
    paths = (f"/dev/nvidia{number}" for number in range(LARGEST_MINOR + 1))
    return [path for path in paths if os.path.exists(path)]


def _capabilities() -> list[str]:
    """Return the capability nodes of MIG instances, by the numbers that the driver tells."""
    found = []
    for folder, _, files in os.walk(CAPABILITIES):
        if "access" in files and "/gpu" in folder:
            try:
                with open(f"{folder}/access", encoding="ascii", errors="replace") as file:
                    words = dict(line.split(":", 1) for line in file if ":" in line)
            except OSError:
                continue
            minor = words.get("DeviceFileMinor", "").strip()
            if minor.isdigit():
                found.append(f"/dev/nvidia-caps/nvidia-cap{minor}")
    return sorted(path for path in found if os.path.exists(path))


def lacking(needs: Iterable[Need], code: int | None, limit: float) -> tuple[Lacking, ...]:
    """Try every need, and return those not met, the likeliest cause of CUDA's error ``code`` first.

    One that ends the child that tries it, or hangs, is ``failed``, and the others are tried without it.
    """
    wanted = list(needs)
    answers: dict[int, list[object]] = {}
    while left := [index for index in range(len(wanted)) if index not in answers]:
        ended = apart.run(lambda tell, left=left: _try(wanted, left, tell), limit)  # type: ignore[misc]
        answers |= {int(key): value for key, value in ended.told.items() if key.isdigit()}
        stopped_at = next((index for index in left if index not in answers), None)
        if stopped_at is not None:
            answers[stopped_at] = [DIED, ended.death or str(ended.told.get("problem", "said nothing"))]
    found = [one for index, need in enumerate(wanted) if (one := _judge(need, answers[index]))]
    met = {need.group for index, need in enumerate(wanted) if need.group and answers[index][0] == 0}
    blamed = [one for one in found if one.need.group not in met and not _unasked(one, found)]
    return tuple(sorted(blamed, key=lambda one: (ORDER.index(one.status), code not in one.need.errors)))


def _unasked(one: Lacking, found: list[Lacking]) -> bool:
    """Tell whether it is just another GPU: the sandbox's rules deny it, and let another of its group through."""
    return one.by == attempt.LANDLOCK and any(
        other.need.group == one.need.group and other.by != attempt.LANDLOCK for other in found if one.need.group
    )


def _try(needs: list[Need], left: list[int], tell: Tell) -> None:
    for index in left:
        need = needs[index]
        answer: list[object] = [0, ""]
        try:
            attempt.WAYS[need.way](need.path)
        except OSError as error:
            by = ""
            if error.errno in (errno.EACCES, errno.EPERM):
                path = "/proc/self/comm" if need.path == THREAD_NAMES else need.path
                by = attempt.denier(need.way, path, error.errno)
            answer = [error.errno or errno.EIO, by]
        tell({str(index): answer})


def _judge(need: Need, answer: list[object]) -> Lacking | None:
    code, words = answer
    if code == 0:
        return None
    if code == DIED:
        return Lacking(need, FAILED, f"the process that tried {words}")
    name = errno.errorcode.get(int(str(code)), f"errno {code}")
    if code in (errno.EACCES, errno.EPERM):
        return Lacking(need, DENIED, name, str(words))
    if code in (errno.ENOENT, errno.ENOTDIR, errno.ECONNREFUSED):
        return None if need.optional else Lacking(need, MISSING, name)
    return Lacking(need, FAILED, name)
