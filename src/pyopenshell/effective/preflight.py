"""What will break CUDA in this sandbox, found before the launch. Pure.

What cuInit needs is in docs/gpu.md. Thread names that are off, and devices that a declaration keeps read-only, are
reported where they are decided (``runtime``, ``layers``).
"""

from __future__ import annotations

import errno

from pyopenshell.effective.model import Finding
from pyopenshell.effective.paths import inside, normal
from pyopenshell.errors import GpuError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyopenshell.effective.declared import Placed
    from pyopenshell.effective.devices import Devices
    from pyopenshell.effective.model import Grant
    from pyopenshell.effective.request import Request

CACHE, NO_CACHE = "CUDA_CACHE_PATH", "CUDA_CACHE_DISABLE"
DEVICE = frozenset({"read_file", "write_file", "ioctl_dev"})
NEEDED = ("/dev/nvidiactl", "/dev/nvidia-uvm")
"""Control nodes without which cuInit fails; that the others are missing it forgives."""
REGENERATE = "nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml writes the spec anew"
LINT = "'openshell gpu lint' holds specs against this host"


def check(devices: Devices, grants: list[Placed]) -> None:
    """Raise GpuError for a device none of whose own nodes is on this host: without it the program would run blind."""
    for device in devices.given:
        own = [
            item.grant
            for item in grants
            if item.grant.path in device.nodes and str(item.grant.origin) == str(device.origin)
        ]
        gone = [grant for grant in own if grant.status == "skipped" and not _is_kept(grant)]
        if own and len(gone) == len(own):
            names = ", ".join(grant.path for grant in gone)
            raise GpuError(
                f"{device.name} is not on this host: {names}: {gone[0].detail.message}",
                hint=f"{REGENERATE}; 'openshell gpu list' shows what there is",
                code="gpu.device-gone",
                file=gone[0].origin.file,
                line=gone[0].origin.line,
            )


def _is_kept(grant: Grant) -> bool:
    """Whether the device is here, and something else than its absence keeps it from the sandbox."""
    message = grant.detail.message or ""
    return not (grant.detail.errno == errno.ENOENT or "the spec means" in message or "is no device node" in message)


def findings(request: Request, grants: list[Placed]) -> list[Finding]:
    """Return what an operator should mend before starting a program that uses the devices."""
    about = [*request.about_devices, *_specs(request, grants), *_missing(grants), *_sockets(grants), *_names(grants)]
    if request.cuda:
        about += [*_procfs(grants), *_cache(request, grants), *_shared_memory(request)]
    return about


def _specs(request: Request, grants: list[Placed]) -> Iterator[Finding]:
    """Report specs that the sandbox may rewrite: what it writes there, its next run would be given."""
    files = {one.origin.file for one in request.devices.given if one.origin.file} if request.devices else set()
    writers = [item for item in grants if item.writes and not item.private and item.grant.status == "planned"]
    for file in sorted(files):
        place = request.resolve(file).real or normal(file)
        for item in writers:
            if any(inside(place, one) for one in item.places):
                text = f"{item.label} lets the sandbox rewrite the CDI spec {place}, which its next run would follow"
                hint = "keep specs outside the folders that it may write"
                yield Finding("cdi.spec-in-reach", "Medium", text, hint, item.grant.id)


def _sockets(grants: list[Placed]) -> Iterator[Finding]:
    """Report programs outside that a device brings to talk to: what they do for clients, they do for the sandbox."""
    for item in grants:
        grant = item.grant
        is_socket = "resolve_unix" in grant.access and not item.is_dir and not item.writes
        if grant.origin.kind == "cdi" and is_socket and grant.status != "skipped":
            text = f"{grant.origin} brings the socket {grant.path} of a program outside, which can be connected to"
            yield Finding("cdi.socket", "Low", text, None, grant.id)


def _names(grants: list[Placed]) -> Iterator[Finding]:
    """Report files with two names whose grants differ: a rule knows the file, and counts for both."""
    by_file: dict[str, list[Placed]] = {}
    for item in grants:
        if item.grant.status == "planned" and not item.private:
            by_file.setdefault(item.grant.source or item.place, []).append(item)
    for item in (item for items in by_file.values() for item in items if item.grant.source):
        for other in by_file[item.grant.source or ""]:
            more = sorted(set(other.grant.access) - set(item.grant.access))
            if other is not item and more:
                text = (
                    f"{item.grant.path} is {item.grant.source} of the host, which {other.label} gives "
                    f"{', '.join(more)}: that counts for both names"
                )
                yield Finding("cdi.second-name", "Low", text, None, item.grant.id)


def _missing(grants: list[Placed]) -> Iterator[Finding]:
    """Report the paths that a device needs and does not get: one finding for a device or mount each spec names."""
    skipped: dict[tuple[str, str], list[Placed]] = {}
    for item in grants:
        origin, grant = item.grant.origin, item.grant
        if origin.kind == "cdi" and (grant.status == "skipped" or not item.is_dir):
            if grant.status != "skipped" and "ioctl_dev" in grant.access and not set(grant.access) >= DEVICE:
                yield _read_only(item)
            elif grant.status == "skipped" and not _is_declared(item):
                skipped.setdefault((origin.file or "", grant.detail.message or ""), []).append(item)
        elif (
            str(origin) == "baseline/gpu"
            and grant.path in NEEDED
            and grant.status == "skipped"
            and not _is_declared(item)
        ):
            text = f"{grant.path} cannot be granted: {grant.detail.message}. {grant.reason}"
            yield Finding("cuda.device-missing", "Medium", text, _load(grant.path), grant.id)
    for (file, why), items in skipped.items():
        nodes = any(_is_node(item) for item in items)
        paths = ", ".join(f"{item.grant.path} (line {item.grant.origin.line})" for item in items[:5])
        more = f" and {len(items) - 5} more" if len(items) > 5 else ""
        text = f"{file} names what cannot be granted: {paths}{more}: {why}"
        stale = items[0].grant.detail.errno or "the spec means" in why
        hint = REGENERATE if stale and "nvidia" in str(items[0].grant.origin) else LINT
        yield Finding("cdi.path-skipped", "High" if nodes else "Medium", text, hint, items[0].grant.id)


def _is_node(item: Placed) -> bool:
    return "ioctl_dev" in item.grant.access or item.grant.path.startswith("/dev/")


def _is_declared(item: Placed) -> bool:
    """Whether it needs no word: the operator's declaration took it, which is told, or it is there by another name."""
    message = item.grant.detail.message or ""
    return "stays read-only" in message or message.endswith("and shows it")


def _load(path: str) -> str:
    loading = "nvidia-modprobe -c 0 -u, or modprobe nvidia-uvm" if "uvm" in path else ""
    return loading or "'openshell doctor --gpu' says what is missing"


def _read_only(item: Placed) -> Finding:
    lost = ", ".join(sorted(DEVICE - set(item.grant.access)))
    origin = item.grant.origin
    place = f"{origin.file}:{origin.line}" if origin.line else origin.file
    text = f"{place} gives no {lost} on {item.grant.path}: a GPU's libraries open their devices for both"
    return Finding("cdi.weak-permissions", "Medium", text, "permissions: rw, or none at all", item.grant.id)


def _procfs(grants: list[Placed]) -> Iterator[Finding]:
    """Report a /proc that cannot be read: no grant gives it, or none got a rule."""
    readers = [item for item in grants if inside("/proc", item.place) and "read_file" in item.grant.access]
    if not any(item.grant.status in ("planned", "covered") for item in readers):
        why = next((item.grant.detail.message for item in readers if item.grant.detail.message), "nothing grants it")
        text = f"/proc cannot be read ({why}): cuInit reads the driver's state there, and fails"
        yield Finding("cuda.proc-unreadable", "High", text, "mount procfs on /proc")


def _cache(request: Request, grants: list[Placed]) -> Iterator[Finding]:
    """Report a CUDA_CACHE_PATH that the sandbox cannot write: CUDA then compiles its kernels at every start."""
    environment = dict(request.environment)
    path = environment.get(CACHE)
    if environment.get(NO_CACHE) == "1":
        return
    place = (request.resolve(path).place or normal(path)) if path and path.startswith("/") else None
    writers = [item for item in grants if item.writes and item.grant.status in ("planned", "covered")]
    if place is None or not any(inside(place, item.place) for item in writers):
        text = f"{CACHE} is {path or 'not set'}, which cannot be written: CUDA compiles its kernels at every start"
        blocker = next((item for item in grants if item.written and not item.writes and item.place == place), None)
        hint = f"leave {CACHE} to the runtime, or declare a folder in read_write"
        if blocker:
            text += f"; {blocker.label} is declared read-only"
        yield Finding("cuda.cache-unwritable", "Low", text, hint, blocker.grant.id if blocker else None)


def _shared_memory(request: Request) -> Iterator[Finding]:
    """Report a host where the sandbox has no /dev/shm of its own, and the host's is not granted."""
    if request.isolation["mount"].state == "open" and not any(
        path.path == "/dev/shm"  # noqa: S108 - compared, not used
        for path in request.policy.filesystem.read_write
    ):
        text = "there is no shared memory: /dev/shm is the host's here, and not granted; NCCL and loaders need it"
        hint = "declare /dev/shm in read_write, which opens it to the same user's other programs"
        yield Finding("cuda.no-shared-memory", "Low", text, hint)
