"""What a CDI spec's hooks would have done, and whether a sandbox misses it. A process sandbox runs none of them.

A hook changes a container's files before its program starts (docs/cdi.md): links to libraries, the loader's cache. A
sandbox shows the host's own files, where the driver's installation has done the same, as a rule.
"""

from __future__ import annotations

import os

from pyopenshell.devices.cdi.names import quoted
from pyopenshell.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyopenshell.devices.cdi.model import Hook

PROGRAMS = ("nvidia-cdi-hook", "nvidia-ctk")
"""The programs whose hooks are known here (NVIDIA Container Toolkit)."""
CACHE = "/etc/ld.so.cache"
TRUSTED = ("/lib", "/usr/lib", "/lib64", "/usr/lib64")
"""Where the loader looks without its cache (ld.so(8))."""
SHOWN = 4
"""Links for which the command is spelled out."""
HARMLESS = {
    "enable-cuda-compat": "it would have preferred the CUDA compatibility libraries of a container's image",
    "disable-device-node-modification": "it keeps the driver from making device nodes, which no sandbox lets it",
    "chmod": "it would have changed the modes of a container's folders, and the host's stay as they are",
}
"""Hooks that a sandbox of the host's own files does not miss, and what they are about."""


class Effect(Record):
    """What is missing because a hook was not run: ``message`` in words, ``mend`` where something is to be done."""

    message: str
    mend: str | None = None

    @property
    def matters(self) -> bool:
        """Whether a program may notice."""
        return self.mend is not None


def effect(hook: Hook, root: str = "") -> Effect:
    """Say what follows from not running a hook. Looks at the loader's cache and at links, beneath ``root``."""
    verb = _verb(hook)
    if verb == "update-ldcache":
        return _loader_cache(tuple(_values(hook.args, "--folder")), root)
    if verb in ("create-symlinks", "create-soname-symlinks"):
        return _links(tuple(_values(hook.args, "--link")), root)
    if verb in HARMLESS:
        return Effect(f"nothing is missed: {HARMLESS[verb]}")
    program = hook.path or "it"
    return Effect(
        f"what {program} does to a container is not done",
        f"see what it does; where your program needs that, do it on the host: {' '.join(hook.args) or program}",
    )


def _verb(hook: Hook) -> str | None:
    """Return what a hook of NVIDIA's is to do: the word behind the program's name, or behind ``hook``."""
    if os.path.basename(hook.path) not in PROGRAMS:
        return None
    words = [word for word in hook.args[1:] if word != "hook" and not word.startswith("-")]
    return words[0] if words else None


def _values(args: tuple[str, ...], flag: str) -> Iterator[str]:
    """Yield what an option that may be repeated was given: ``--folder X`` and ``--folder=X``."""
    for position, word in enumerate(args):
        if word == flag and position + 1 < len(args):
            yield args[position + 1]
        elif word.startswith(f"{flag}="):
            yield word.partition("=")[2]


def _loader_cache(folders: tuple[str, ...], root: str) -> Effect:
    """Say whether the host's loader finds the libraries of these folders without a cache made for the container."""
    cache = _read(root + CACHE)
    known = {folder.rstrip("/") for folder in TRUSTED}
    unknown = [
        folder
        for folder in folders
        if folder.rstrip("/") not in known and os.fsencode(folder.rstrip("/") + "/") not in cache
    ]
    if not unknown:
        return Effect("nothing is missed: the host's loader (ldconfig) knows the driver's folders already")
    paths = ":".join(unknown)
    return Effect(
        f"ldconfig is not run: the loader does not find the libraries in {', '.join(unknown)} by their names",
        f"--env LD_LIBRARY_PATH={paths}, or on the host a file in /etc/ld.so.conf.d and ldconfig",
    )


def _links(links: tuple[str, ...], root: str) -> Effect:
    """Say which links (``target::path``) there are not. Those of libraries beneath a loader's folder are the usual."""
    wanted = [(path, target) for target, mark, path in (link.partition("::") for link in links) if mark and target]
    missing = [(path, target) for path, target in wanted if not os.path.lexists(root + path)]
    if not missing:
        return Effect("nothing is missed: the links that it would make are there")
    names = ", ".join(path for path, _target in missing)
    make = "; ".join(f"ln -s {quoted(target)} {quoted(path)}" for path, target in missing[:SHOWN])
    return Effect(f"links to the driver's libraries are missing: {names}", f"make them on the host: {make}")


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(1 << 24)
    except OSError:
        return b""
