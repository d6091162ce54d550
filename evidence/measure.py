"""Run the probes: in real launches for a user, under the rules alone for root."""

from __future__ import annotations

import json
import os
import pwd
import re
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pyopenshell
from evidence import filter as promise
from evidence import harness
from pyopenshell.kernel import process, seccomp
from pyopenshell.record import Record
from pyopenshell.seccomp import bpf
from pyopenshell.seccomp.row import each

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCES = os.path.dirname(os.path.dirname(os.path.abspath(pyopenshell.__file__)))
PYTHON = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else os.path.realpath(sys.executable)
"""What probes run in: the interpreter of an environment may lie where another user cannot go."""
UNUSED_IDS = range(60706, 61184)
"""Ids that systemd's scheme leaves to nobody (UIDS-GIDS in its documentation)."""
OWN, BYSTANDER = "/proc/<pid>/", "/proc/<other>/"


class Seen(Record):
    """What a probe saw: the files that opened, with ``<pid>``, ``<tid>`` and ``<other>`` for numbers, and the rest."""

    opened: tuple[str, ...]
    refused: dict[str, int]
    passed: dict[str, int]
    left: tuple[str, ...]

    @property
    def own(self) -> int:
        """How many of them are the process's own."""
        return sum(path.startswith(OWN) for path in self.opened)

    @property
    def bystander(self) -> int:
        """How many of them are the bystander's."""
        return sum(path.startswith(BYSTANDER) for path in self.opened)

    @property
    def count(self) -> int:
        """How many there are without those of the bystander."""
        return len(self.opened) - self.bystander


def under_rules(mode: str, *, uid: int | None = None, apart: bool = False, **given: Any) -> Seen:
    """Probe under the rules of a mode alone (``harness.run``)."""
    return _seen(harness.run(mode, probe(**given), uid=uid, apart=apart), given)


def descendants(mode: str, uid: int | None) -> dict[str, str]:
    """Return who can open a ``comm`` under a mode's rules, in the order in which they try."""
    printed = harness.run(mode, [PYTHON, "-I", "-S", "-c", _text("descendants"), "all"], uid=uid)
    return dict(line.split(": ") for line in printed.splitlines())


def launched(folder: str, mode: str, *, uid: int | None = None, namespaces: bool = True, **given: Any) -> Seen:
    """Probe in a real launch of the command by an ordinary user; ``uid``: which one, where this process is root.

    Without ``namespaces`` a syscall filter refuses them, as that of many containers does. Raises RuntimeError.
    """
    policy = f"{folder}/policy.json"
    with open(policy, "w", encoding="utf-8") as file:
        json.dump(_policy(mode), file)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "XDG_"))}
    environment |= {"PYTHONPATH": SOURCES, "HOME": f"{folder}/home", "XDG_STATE_HOME": f"{folder}/state"}
    identity: dict[str, Any] = {} if uid is None else {"user": uid, "group": uid, "extra_groups": []}
    command = [sys.executable, "-m", "pyopenshell", "run", "--quiet", "--gpu", "0", "--policy", policy, "--"]
    done = subprocess.run(
        [*command, *probe(**given)],
        cwd=f"{folder}/work",
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=None if namespaces else _refuse_namespaces,
        **identity,
    )
    if done.returncode != 0:
        raise RuntimeError(f"openshell run under {mode!r} ended with {done.returncode}: {done.stderr}")
    return _seen(done.stdout, given)


def probe(*, threads: int = 1, bystander: int = 0, root: str = "/proc") -> list[str]:
    """Return the probe's command line."""
    given = {"filter": promise.program().hex(), "threads": threads, "bystander": bystander, "root": root}
    return [PYTHON, "-I", "-S", "-c", _text("probe"), json.dumps(given)]


@contextmanager
def bystander(uid: int | None = None) -> Iterator[int]:
    """Have a process of that user beside the sandbox, that only waits; its pid."""
    identity: dict[str, Any] = {} if uid is None else {"user": uid, "group": uid, "extra_groups": []}
    waiting = subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, **identity)
    try:
        yield waiting.pid
    finally:
        waiting.communicate()


def unused_id() -> int:
    """Return an id without account and without any process: what it can open depends on nobody else then."""
    taken = {entry.pw_uid for entry in pwd.getpwall()}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            taken.add(os.stat(f"/proc/{name}").st_uid)
        except FileNotFoundError:
            continue
    return next(uid for uid in UNUSED_IDS if uid not in taken)


def make_folder(folder: str, uid: int | None) -> None:
    """Make what launches need beneath a folder, for that user."""
    os.chmod(folder, 0o755)
    for name in ("work", "home", "state"):
        os.mkdir(f"{folder}/{name}", 0o700)
        if uid is not None:
            os.chown(f"{folder}/{name}", uid, uid)


def _policy(mode: str) -> dict[str, Any]:
    declared = ["/proc"] if mode == "read_write" else []
    policy: dict[str, Any] = {
        "version": 1,
        "filesystem_policy": {"include_workdir": True, "read_only": [], "read_write": declared},
    }
    return policy if declared else {**policy, "runtime": {"cuda_thread_names": mode}}


def _refuse_namespaces() -> None:
    process.set_no_new_privs()
    seccomp.install(bpf.build(each("unshare", "errno:EPERM", "a container's usual profile"), os.uname().machine))


def _text(name: str) -> str:
    with open(os.path.join(HERE, f"{name}.py"), encoding="utf-8") as file:
        return file.read()


def _seen(printed: str, given: dict[str, Any]) -> Seen:
    answer = json.loads(printed)
    name = _namer(answer["pid"], given.get("bystander", 0))
    return Seen(
        tuple(map(name, answer["opened"])), answer["refused"], answer["passed"], tuple(map(name, answer["left"]))
    )


def _namer(pid: int, other: int) -> Callable[[str], str]:
    """Return what puts words in the place of numbers."""

    def name(path: str) -> str:
        path = re.sub(rf"^/proc/{pid}(?=/|:)", "/proc/<pid>", path)
        path = re.sub(rf"^/proc/{other}(?=/|:)", "/proc/<other>", path) if other else path
        return re.sub(r"^(/proc/<\w+>/task/)\d+", r"\1<tid>", path)

    return name
