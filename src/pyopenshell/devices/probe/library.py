"""Where the driver library is: by the dynamic loader's own search, else in the folders that drivers are put in."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from pyopenshell.kernel import cuda
from pyopenshell.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FOLDERS = (
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib64",
    "/usr/lib64/nvidia",
    "/usr/lib",
    "/usr/lib/wsl/lib",
    "/usr/local/nvidia/lib64",
    "/usr/local/nvidia/lib",
    "/usr/lib/aarch64-linux-gnu/nvidia",
    "/usr/lib/aarch64-linux-gnu/tegra",
    "/run/opengl-driver/lib",
    "/run/nvidia/driver/usr/lib/x86_64-linux-gnu",
    "/home/kubernetes/bin/nvidia/lib64",
)
"""Where distributions, WSL2, Tegra, NixOS, NVIDIA's driver container and GKE put it."""
LOADER_CACHE = "/etc/ld.so.cache"
"""What ldconfig(8) knows: among other things, paths that each end in a NUL."""
MODULE = "/proc/driver/nvidia/version"
STEM = "libcuda.so."


class Tried(Record):
    """A way to the library: the name that the loader was given, and its answer, ``ok`` or words."""

    name: str
    answer: str


def candidates(environ: Mapping[str, str]) -> Iterator[str]:
    """Return the paths where the library may lie, each once: LD_LIBRARY_PATH, the loader's cache, known folders."""
    folders = [folder for folder in environ.get("LD_LIBRARY_PATH", "").split(":") if folder]
    paths = [*(f"{folder}/{cuda.NAME}" for folder in folders), *_cached()]
    paths += [f"{folder}/{cuda.NAME}" for folder in FOLDERS]
    return iter(dict.fromkeys(paths))


def find(environ: Mapping[str, str]) -> tuple[cuda.Driver | None, tuple[Tried, ...]]:
    """Load the library into this process. Returns it, and every way that was tried up to it.

    The loader's own search comes first: only what that finds is found by programs.
    """
    try:
        return cuda.Driver(), (Tried(cuda.NAME, "ok"),)
    except OSError as error:
        tried = [Tried(cuda.NAME, _words(error))]
    for path in candidates(environ):
        code = _unreadable(path)
        if code in (errno.ENOENT, errno.ENOTDIR):
            tried.append(Tried(path, "not there"))
            continue
        if code:
            tried.append(Tried(path, errno.errorcode.get(code, str(code))))
            continue
        try:
            driver = cuda.Driver(path)
        except OSError as error:
            tried.append(Tried(path, _words(error)))
            continue
        return driver, (*tried, Tried(path, "ok"))
    return None, tuple(tried)


def versions(path: str | None, module: str = MODULE) -> tuple[str | None, str | None]:
    """Return the version of the library, which its file's name ends with, and that of the driver in the kernel."""
    name = os.path.basename(path or "")
    version = name.removeprefix(STEM)
    library = version if name.startswith(STEM) and "." in version else None
    try:
        with open(module, encoding="ascii", errors="replace") as file:
            words = file.readline().split()
    except OSError:
        return library, None
    numbers = [word for word in words if word[:1].isdigit() and "." in word]
    return library, numbers[0] if numbers else None


def _cached() -> list[str]:
    try:
        with open(LOADER_CACHE, "rb") as file:
            names = file.read().split(b"\0")
    except OSError:
        return []
    end = f"/{cuda.NAME}".encode()
    return [os.fsdecode(name) for name in names if name.startswith(b"/") and name.endswith(end)]


def _unreadable(path: str) -> int:
    """Return the errno of opening a file for reading, 0 where that works."""
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK))
    except OSError as error:
        return error.errno or errno.EIO
    return 0


def _words(error: OSError) -> str:
    """Return what the loader said: it has no errno, and begins with the name."""
    return str(error).partition(": ")[2] or str(error)
