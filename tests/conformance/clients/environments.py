"""The environments of the clients: each has one of its own, made from the registry by a lock with digests.

Some need a newer Python than the oldest Debian that this runtime is tried on: theirs is Debian 13's, from a tree of its
packages in which their programs are started. Only the standard library is imported here, so that locks can be made
anew without anything installed.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.kernels import image
from tests.kernels.packages import Apt, Unavailable, command, unpack

CHECKOUT = Path(__file__).parents[3]
BUILD = CHECKOUT / "build" / "clients"
LOCKS = Path(__file__).parent / "requirements"
UV = CHECKOUT / "build" / "uv" / "bin" / "uv"
"""What resolves and installs: `make test-clients` puts it there."""
SUITE, NEWER = "trixie", "3.13"
"""The newer Debian, and its Python."""
PACKAGES = ("base-files", "dash", "libstdc++6", "python3")
PLATFORM = "x86_64-manylinux_2_28"
ASKED = "OPENSHELL_TEST_CLIENTS"
"""The environment variable that ``make test-clients`` sets: without it none of these tests is collected."""
OURS = "command"
"""The environment of this checkout's own command under the newer Python: clients there call it."""


@dataclass(frozen=True)
class Environment:
    """An environment: a client's, or ours. ``newer``: with the newer Debian's Python, and inside its tree."""

    name: str
    newer: bool = False

    @property
    def folder(self) -> Path:
        """Where it is."""
        return BUILD / self.name

    @property
    def lock(self) -> Path:
        """What is installed: versions and digests."""
        return CHECKOUT / "requirements/run.txt" if self.name == OURS else LOCKS / f"{self.name}.txt"

    @property
    def packages(self) -> Path:
        """The folder of its modules."""
        return next(self.folder.glob("lib/python3*")) / "site-packages"

    def argv(self, *arguments: str | Path) -> list[str]:
        """Return the command line of its Python with these arguments."""
        python = self.folder / "bin/python"
        return [*(_in_tree() if self.newer else ()), *map(str, (python, *arguments))]


ENVIRONMENTS = {
    one.name: one
    for one in (
        Environment("openshell"),
        Environment("openenv"),
        Environment("inspect"),
        Environment("langchain", newer=True),
        Environment("agent-runner", newer=True),
        Environment(OURS, newer=True),
    )
}


def resolve() -> None:
    """Resolve what the clients need again, and write the locks."""
    for one in ENVIRONMENTS.values():
        if one.name != OURS:
            print(f"· {one.lock.relative_to(CHECKOUT)}")
            which = ("--python-version", NEWER, "--python-platform", PLATFORM) if one.newer else ("--universal",)
            fixed = ("--generate-hashes", "--no-emit-index-url", "--custom-compile-command", "make lock", "--upgrade")
            oldest = () if one.newer else ("--python-version", "3.11")
            command(
                UV, "pip", "compile", "--quiet", *which, *oldest, *fixed, "-o", one.lock, one.lock.with_suffix(".in")
            )


def prepare() -> None:
    """Make what is not there yet, or is there for another lock. Raises Unavailable where something cannot be had."""
    BUILD.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(2) as pool:
        made = [pool.submit(_tree), *(pool.submit(_install, one) for one in ENVIRONMENTS.values())]
    for one in made:
        one.result()


def _install(one: Environment) -> None:
    stamp = one.folder / "made-from"
    wanted = hashlib.sha256(one.lock.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return
    if one.folder.exists():
        shutil.rmtree(one.folder)
    uv = (UV, "--quiet", "--no-config", "--cache-dir", BUILD / "cache")
    if one.newer:
        _lay_out(one.folder)
        place = [f"--target={one.packages}", f"--python-version={NEWER}", f"--python-platform={PLATFORM}"]
    else:
        command(*uv, "venv", "--python", base_python(), one.folder)
        place = [f"--python={one.folder}/bin/python"]
    command(*uv, "pip", "install", *place, "--require-hashes", "-r", one.lock)
    stamp.write_text(wanted)


def _lay_out(folder: Path) -> None:
    """Lay out a virtual environment as ``python3 -m venv`` does, for an interpreter that this host cannot execute."""
    (folder / "bin").mkdir(parents=True)
    (folder / f"lib/python{NEWER}/site-packages").mkdir(parents=True)
    (folder / "bin/python").symlink_to(f"/usr/bin/python{NEWER}")
    (folder / "pyvenv.cfg").write_text("home = /usr/bin\ninclude-system-site-packages = false\n")


def base_python() -> Path:
    """Return the interpreter that the environment we run in was made from: others can execute it too."""
    return Path(sys.base_exec_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"


def _tree() -> None:
    """Unpack the newer Debian's packages; once, whatever becomes newer of them afterwards."""
    tree, stamp = BUILD / "tree", BUILD / "tree-made-from"
    wanted = " ".join((SUITE, *PACKAGES))
    if stamp.exists() and stamp.read_text() == wanted:
        return
    apt = Apt(BUILD / "apt", (SUITE, f"{SUITE}-security"))
    apt.prepare()
    stamp.unlink(missing_ok=True)
    if tree.exists():
        shutil.rmtree(tree)
    tree.mkdir()
    image.lay_out(tree)
    tree.joinpath(*CHECKOUT.parts[1:]).mkdir(parents=True)  # where the checkout is to be seen, for everybody
    for package in apt.fetch(apt.with_dependencies(PACKAGES, SUITE)):
        unpack(package, tree)
    stamp.write_text(wanted)


def _in_tree() -> list[str]:
    """Return the command that starts a program in the newer Debian: its files, our processes, network and checkout."""
    if shutil.which("bwrap") is None:
        raise Unavailable("bwrap is not installed (Debian: bubblewrap)")
    ours = [word for place in (CHECKOUT, "/tmp", "/var/tmp", "/run") for word in ("--bind", str(place), str(place))]
    return ["bwrap", "--bind", str(BUILD / "tree"), "/", "--dev-bind", "/dev", "/dev", "--proc", "/proc", *ours, "--"]
