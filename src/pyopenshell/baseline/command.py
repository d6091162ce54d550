"""What the command itself needs: its file, the interpreter its first line names, and the environments they belong to.

The only baseline that reads the disk: it follows links and first lines as the kernel will (execve(2)) and Python's
own search for its prefix (``pyvenv.cfg``, then ``lib/pythonX.Y/os.py``).
"""

from __future__ import annotations

import os
import stat

from pyopenshell.baseline.model import Proposal
from pyopenshell.policy.access import READ_ONLY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

PROGRAM = ("execute", "read_file")
MAX_INTERPRETERS = 3
"""Scripts whose interpreter is a script again are followed this far (the kernel stops at 4)."""
MAX_LINKS = 40
"""As many symbolic links as the kernel follows (path_resolution(7))."""
ENV = ("/usr/bin/env", "/bin/env")
"""Where env(1) is: a script of another place that is called env is just a program."""
FIRST_LINE = 256
"""Bytes of a script's first line the kernel reads (BINPRM_BUF_SIZE)."""


def proposals(path: str, find: Callable[[str], str | None], homes: tuple[str, ...] = ()) -> tuple[Proposal, ...]:
    """Return the grants for the command at the absolute ``path``.

    ``find`` looks a bare name up on the sandbox's PATH, for scripts that begin with ``#!/usr/bin/env NAME``.
    ``homes`` are home folders: neither they, nor what encloses them, are ever taken for an environment.
    """
    found: dict[str, Proposal] = {}
    reason = "The command."
    current: str | None = path
    for _ in range(1 + MAX_INTERPRETERS):
        if current is None:
            break
        links = _chain(current)
        target = os.path.realpath(links[-1])
        found.setdefault(current, Proposal("command", current, PROGRAM, reason))  # composition follows the links too
        for prefix, what in _environments([*links, target], homes):
            found.setdefault(prefix, Proposal("command", prefix, READ_ONLY, what))
        current = _interpreter(target, find)
        reason = f"The interpreter that the first line of {target} names."
    return tuple(found.values())


def _chain(path: str) -> list[str]:
    """Return the path and every link it leads through, each in its own folder. Ends early on a loop."""
    result = [path]
    while len(result) <= MAX_LINKS:
        try:
            target = os.readlink(result[-1])
        except OSError:
            break
        result.append(os.path.join(os.path.dirname(result[-1]), target))
    return result


def _interpreter(path: str, find: Callable[[str], str | None]) -> str | None:
    """Return the absolute path of the program that a script's first line names, or None.

    The line may have been written by an earlier run in the same folder, so it is read as the kernel does (blanks are
    spaces and tabs, nothing else), and only what ``find`` says can be executed counts: a folder, or a file that is no
    program, is never granted on its word.
    """
    line = _first_line(path)
    if not line.startswith("#!"):
        return None
    words = line[2:].replace("\t", " ").split(" ")
    words = [word for word in words if word]
    if not words or not words[0].startswith("/"):
        return None
    if os.path.realpath(words[0]) not in {os.path.realpath(env) for env in ENV}:
        return find(words[0])
    # env(1) has options that lead elsewhere: only 'env NAME' and 'env -S NAME …' are understood.
    names = words[2:] if words[1:2] == ["-S"] else words[1:]
    if not names or names[0].startswith("-") or "=" in names[0]:
        return find(words[0])
    return find(names[0])


def _first_line(path: str) -> str:
    """Return the first line of a regular file; anything else has none."""
    return (_head(path, FIRST_LINE) or "").split("\n", 1)[0]


def _head(path: str, size: int) -> str | None:
    """Return the beginning of a regular file, or None.

    Anything else is not even opened: opening a FIFO lets its writer go on, and a device may do anything.
    """
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        if not stat.S_ISREG(os.fstat(place).st_mode):
            return None
        with open(f"/proc/self/fd/{place}", "rb", buffering=0) as file:
            return os.fsdecode(file.read(size) or b"")
    except OSError:
        return None
    finally:
        os.close(place)


def _environments(paths: list[str], homes: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return (prefix, reason) for every environment one of the paths stands in."""
    result: list[tuple[str, str]] = []
    for path in paths:
        folder = os.path.realpath(path.rpartition("/")[0] or "/")
        above = folder.rpartition("/")[0]
        for prefix in (folder, above):
            config = _venv_home(prefix)
            if config is not None:
                result.append((prefix, "The virtual environment of the command."))
                base = _base_prefix(config)
                if base is not None:
                    result.append((base, f"The Python that the virtual environment {prefix} was made from."))
        if os.path.isdir(f"{above}/conda-meta"):
            result.append((above, "The conda environment of the command."))
        elif _is_installation(above):
            result.append((above, "The Python installation of the command (pyenv and others keep it outside /usr)."))
    return [(prefix, what) for prefix, what in result if _acceptable(prefix, homes)]


def _venv_home(prefix: str) -> str | None:
    """Return the ``home`` key of the prefix's ``pyvenv.cfg`` (PEP 405), or None where that is no environment."""
    text = _head(f"{prefix}/pyvenv.cfg", 16384)
    if text is None:
        return None
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        if equals and key.strip().lower() == "home":
            return value.strip()
    return None


def _base_prefix(home: str) -> str | None:
    """Return the installation whose programs stand in ``home``, if it really is one.

    ``pyvenv.cfg`` may have been written by an earlier sandbox: the folder it names counts only when it holds a
    standard library.
    """
    if not home.startswith("/"):
        return None
    prefix = os.path.realpath(home).rpartition("/")[0]
    return prefix if _is_installation(prefix) else None


def _is_installation(prefix: str) -> bool:
    """Whether ``prefix`` holds a Python's standard library, by the landmark Python itself looks for."""
    try:
        names = os.listdir(f"{prefix}/lib")
    except OSError:
        return False
    return any(name.startswith(("python", "pypy")) and os.path.isfile(f"{prefix}/lib/{name}/os.py") for name in names)


def _acceptable(prefix: str, homes: tuple[str, ...]) -> bool:
    """Refuse what is broader than an environment: the root, a home folder, and whatever encloses one.

    ``/usr`` is an environment too, but every sandbox has it already.
    """
    inside = [os.path.realpath(home) for home in homes if home]
    return prefix not in ("", "/", "/usr") and not any(f"{home}/".startswith(f"{prefix}/") for home in inside)
