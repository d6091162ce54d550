"""The driver's userspace libraries: where they lie, which version, whether the dynamic loader finds them by itself.

Nothing is loaded: the loader's cache and the heads of the files are read.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import struct
from typing import TYPE_CHECKING

from pyopenshell.devices import shown
from pyopenshell.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

CUDA = "libcuda.so.1"
NVML = "libnvidia-ml.so.1"

MACHINES = {"x86_64": 62, "aarch64": 183}
"""ELF's number of each machine (e_machine, elf(5))."""
TRUSTED = ("/lib", "/usr/lib", "/lib64", "/usr/lib64")
"""Folders that the loader searches without being told, and Debian's of the machine beneath them (ld.so(8))."""
ELSEWHERE = (
    "/usr/lib/wsl/lib",
    "/usr/lib/{machine}-linux-gnu/tegra",
    "/usr/lib/{machine}-linux-gnu/nvidia",
    "/usr/lib/{machine}-linux-gnu/nvidia/current",
    "/usr/lib64/nvidia",
    "/usr/lib/nvidia",
    "/usr/local/lib",
    "/usr/local/nvidia/lib64",
    "/usr/local/nvidia/lib",
    "/home/kubernetes/bin/nvidia/lib64",
    "/opt/nvidia/lib64",
    "/run/opengl-driver/lib",
    "/run/nvidia/driver/usr/lib/{machine}-linux-gnu",
    "/run/nvidia/driver/usr/lib64",
)
"""Where packagers, WSL2, Tegra's system, NixOS, Google's nodes and the driver container put them besides."""

CACHE = "/etc/ld.so.cache"
MAX_CACHE = 64 << 20
_MAGIC = b"glibc-ld.so.cache1.1"
_HEADER = struct.Struct("<20sIIBxxxI12x")
_ENTRY = struct.Struct("<iIIIQ")
"""glibc's cache (elf/dl-cache.h): offsets of its strings count from the start of the header."""

_FILE_VERSION = re.compile(r"\.so\.(\d{3,}(?:\.\d+)+)$")


class Library(Record):
    """One library file as a program would name it.

    ``path`` is where it was found, ``file`` what that leads to, ``version`` the driver's (of the file's name; None
    where it bears none, as on WSL2). ``found_by_loader``: by the cache or in a folder that needs none. ``errno`` is
    that of reading it, 0 where it could be read. ``shown``: ``path`` is a sandbox's, and the host has something else
    there, or nothing.
    """

    name: str
    path: str
    file: str
    version: str | None
    found_by_loader: bool
    errno: int = 0
    shown: bool = False

    @property
    def is_stub(self) -> bool:
        """It is the CUDA toolkit's, which has the names alone, for linking."""
        return "/stubs/" in self.path or "/stubs/" in self.file

    @property
    def is_compat(self) -> bool:
        """It is of CUDA's forward compatibility package, which is meant to be newer than the kernel module."""
        return "/compat/" in self.path or "/compat/" in self.file


def find(
    name: str,
    root: str = "",
    machine: str | None = None,
    folders: Iterable[str] = (),
    *,
    told: Iterable[str] = (),
    mounts: Mapping[str, str] | None = None,
) -> tuple[Library, ...]:
    """Return every file of this name for this machine, the one the loader takes first; the same file counts once.

    ``root`` stands before every path that is looked at; the loader is ``told`` of folders that it looks into first
    (LD_LIBRARY_PATH), ``folders`` are looked into last. ``mounts`` are what a sandbox sees elsewhere than on the host:
    the host's path by the sandbox's. What cannot be read is returned with its errno: whether it is for this machine is
    then not known.
    """
    machine = machine or os.uname().machine
    mounts = mounts or {}
    cache = shown.behind(CACHE, root, mounts)
    places = [(f"{folder}/{name}", True) for folder in told]
    found: dict[str, Library] = {}
    for path, by_loader in (*places, *_places(name, cache, machine, folders)):
        file = shown.behind(path, root, mounts)
        if file in found:
            continue
        number = _refusal(file, machine)
        if number is not None:
            version = _FILE_VERSION.search(file)
            found[file] = Library(
                name,
                path,
                file.removeprefix(root),
                version.group(1) if version else None,
                by_loader,
                number,
                shown=file != os.path.realpath(root + path),
            )
    return tuple(found.values())


def _places(name: str, cache: str, machine: str, folders: Iterable[str]) -> Iterator[tuple[str, bool]]:
    """Yield the paths that are worth a look, and whether the loader takes them."""
    for path in cached(name, cache):
        yield path, True
    for folder in TRUSTED:
        yield f"{folder}/{machine}-linux-gnu/{name}", True
        yield f"{folder}/{name}", True
    for folder in ELSEWHERE:
        yield f"{folder.format(machine=machine)}/{name}", False
    for folder in folders:
        yield f"{folder}/{name}", False


def cached(name: str, cache: str = CACHE) -> tuple[str, ...]:
    """Return the paths that glibc's loader cache has for a name, in its order. No cache, or another's, has none."""
    try:
        with open(cache, "rb") as file:
            data = file.read(MAX_CACHE)
    except OSError:
        return ()
    start = data.find(_MAGIC)  # an old cache may stand before it
    if start < 0 or len(data) < start + _HEADER.size:
        return ()
    _, count, _, _, _ = _HEADER.unpack_from(data, start)
    count = min(count, (len(data) - start - _HEADER.size) // _ENTRY.size)
    paths = []
    for number in range(count):
        _, key, value, _, _ = _ENTRY.unpack_from(data, start + _HEADER.size + number * _ENTRY.size)
        if _string(data, start + key) == name:
            paths.append(_string(data, start + value))
    return tuple(dict.fromkeys(path for path in paths if path.startswith("/")))


def _string(data: bytes, start: int) -> str:
    end = data.find(b"\0", start, start + 4096)
    return data[start : max(start, end)].decode("utf-8", "surrogateescape")


def is_foreign(file: str) -> bool:
    """Tell whether a file is there that is no library of this machine, a 32-bit one for example."""
    return os.path.exists(file) and _refusal(file, os.uname().machine) is None


def _refusal(file: str, machine: str) -> int | None:
    """Return 0 for a library of this machine, an errno for what may not be read, None for what is no such thing."""
    try:
        fd = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        number = getattr(error, "errno", None)
        return number if number in (errno.EACCES, errno.EPERM) else None
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return None
        head = os.read(fd, 20)
    except OSError as error:
        return error.errno
    finally:
        os.close(fd)
    if len(head) < 20 or head[:4] != b"\x7fELF" or head[4] != 2:  # ELFCLASS64
        return None
    return 0 if int.from_bytes(head[18:20], "little") == MACHINES.get(machine, -1) else None
