"""Whole runs of the command on the real kernel, in worlds that offer more or less of it.

A *world* is a syscall filter around the command: what the kernel could do and, in it, does not. A test run with a
masked ABI (``harness.MASK``) gives every ``run`` that says nothing of its own ``--max-abi``.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

import pytest

from pyopenshell.kernel import syscalls
from pyopenshell.launch import trial
from tests.confined.landlock import harness
from tests.conftest import whom_sandboxes_run_as

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECONDS = 60
"""How long anything may take before its test fails."""
COMMAND = (sys.executable, "-m", "pyopenshell")
PYTHON = "/usr/bin/python3"
"""The interpreter inside: the tests' own may lie where the sandbox's identity cannot go."""
IS_ROOT = os.geteuid() == 0

NAMESPACES: tuple[str, ...] = ()
NO_MOUNTS = ("mount=EPERM",)
"""Ubuntu 24.04 to an ordinary user: a user namespace can be made, and nothing mounted in it."""
NO_NAMESPACES = ("unshare=EPERM",)
"""A container's usual seccomp profile."""
WORLDS = {"namespaces": NAMESPACES, "no mounts": NO_MOUNTS, "no namespaces": NO_NAMESPACES}

_FILTER = """
import errno, os, struct, sys
from pyopenshell.kernel import process, seccomp, syscalls
end = sys.argv.index("--")
program = struct.pack("=HBBI", 0x20, 0, 0, 0)
for name, _, answer in (text.partition("=") for text in sys.argv[1:end]):
    code = 0x00050000 | (0 if answer == "OK" else getattr(errno, answer))
    program += struct.pack("=HBBIHBBI", 0x15, 0, 1, syscalls.number(name), 0x06, 0, 0, code)
process.set_no_new_privs()
seccomp.install(program + struct.pack("=HBBI", 0x06, 0, 0, 0x7FFF0000))
os.execv(sys.argv[end + 1], sys.argv[end + 1:])
"""

_PROBE = """
import ctypes, errno, json, os, signal, socket, stat, sys
answer, given = {}, json.loads(sys.argv[1])
def attempt(operation, *arguments, **options):
    try:
        value = operation(*arguments, **options)
    except OSError as error:
        return errno.errorcode[error.errno]
    if isinstance(value, int) and operation is os.open:
        os.close(value)
    return "ok"
libc = ctypes.CDLL(None, use_errno=True)
def syscall(number, *arguments):
    result = libc.syscall(number, *arguments)
    return errno.errorcode[ctypes.get_errno()] if result == -1 else "ok"
CODE
print(json.dumps(answer))
"""


def needs_python() -> None:
    """Skip the test where there is no interpreter that any identity can execute."""
    if not os.access(PYTHON, os.X_OK):
        pytest.skip(f"needs: {PYTHON}")


def needs_root() -> None:
    """Skip the test for an ordinary user."""
    if not IS_ROOT:
        pytest.skip("needs: root")


def needs_namespaces() -> None:
    """Skip the test where this host lets the command make none."""
    found = trial.namespaces()
    if not (found.mount and found.pid and found.net):
        pytest.skip("needs: namespaces")


def policy(
    read_only: tuple[object, ...] = (), read_write: tuple[object, ...] = (), *, workdir: bool = True, **more: Any
) -> dict[str, Any]:
    """Return a policy of these paths; ``more`` are its other keys."""
    paths = {"read_only": [*map(str, read_only)], "read_write": [*map(str, read_write)]}
    return {"version": 1, "filesystem_policy": {"include_workdir": workdir, **paths}, **more}


HARD = {"landlock": {"compatibility": "hard_requirement"}}


class Record:
    """What a run has left in the state folder."""

    def __init__(self, state: Path, name: str) -> None:
        self.path = state / "openshell" / "names" / name

    def __getattr__(self, name: str) -> Any:
        """Return ``meta``, ``effective``, ``receipt`` or ``exit``: the file of that name."""
        return json.loads((self.path / f"{name}.json").read_text())

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.path / "events.jsonl").read_text().splitlines()]

    @property
    def findings(self) -> dict[str, dict[str, Any]]:
        """The findings by their code."""
        return {finding["code"]: finding for finding in self.effective["findings"]}

    def grant(self, path: object) -> dict[str, Any]:
        """Return the only grant of this path as it was written."""
        (grant,) = [grant for grant in self.effective["grants"] if grant["path"] == str(path)]
        return dict(grant)


class Sandbox:
    """The command in one world, from one working folder, with one state folder."""

    def __init__(self, workdir: Path, state: Path, folder: Path) -> None:
        self.workdir = workdir
        self.state = state
        self.folder = folder
        self.world: tuple[str, ...] = NAMESPACES
        self.environment = {**os.environ, "XDG_STATE_HOME": str(state)}

    def argv(self, *arguments: object, policy: dict[str, Any] | None = None) -> list[str]:
        """Return ``openshell run`` with these arguments, in its world."""
        around = [sys.executable, "-c", _FILTER, *self.world, "--"] if self.world else []
        chosen = []
        if policy is not None:
            file = self.folder / "policy.yaml"
            file.write_text(json.dumps(policy))
            chosen = ["--policy", str(file)]
        return [*around, *COMMAND, "run", *harness.options(arguments), *chosen, *map(str, arguments)]

    def run(
        self, *arguments: object, policy: dict[str, Any] | None = None, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run to the end, and return what came of it, as text."""
        settings: dict[str, Any] = {"cwd": self.workdir, "env": self.environment, "timeout": SECONDS, "check": False}
        settings |= {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.run(self.argv(*arguments, policy=policy), **(settings | options))

    @contextmanager
    def start(
        self, *arguments: object, policy: dict[str, Any] | None = None, **options: Any
    ) -> Iterator[subprocess.Popen[str]]:
        """Start, with pipes to its standard streams; it is killed at the end if it still runs."""
        settings: dict[str, Any] = {"cwd": self.workdir, "env": self.environment, "text": True}
        settings |= dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        with subprocess.Popen(self.argv(*arguments, policy=policy), **(settings | options)) as process:
            try:
                yield process
            finally:
                process.kill()

    def ask(
        self,
        code: str,
        *arguments: object,
        policy: dict[str, Any] | None = None,
        options: dict[str, Any] | None = None,
        **given: Any,
    ) -> Any:
        """Run Python code inside, that puts what it finds into ``answer``; ``given`` is what it is told."""
        needs_python()
        told = json.dumps(given, default=str)
        program = (PYTHON, "-I", "-S", "-c", _PROBE.replace("CODE", code), told)
        done = self.run(*arguments, "--", *program, policy=policy, **(options or {}))
        assert (0, "") == (done.returncode, "" if done.returncode == 0 else done.stderr)
        return json.loads(done.stdout)

    def record(self, name: str) -> Record:
        """Return the record of the newest run of a name."""
        return Record(self.state, name)


def read_line(process: subprocess.Popen[str]) -> str:
    """Return the next line of what a started program prints."""
    assert process.stdout is not None
    assert readable(process.stdout), "nothing was printed"
    return process.stdout.readline().rstrip("\n")


def readable(file: IO[str] | int, seconds: float = SECONDS) -> bool:
    """Wait until a file, or a pidfd whose process ended, can be read; return whether that came about."""
    return bool(select.select([file], [], [], seconds)[0])


def with_marker(marker: str) -> list[int]:
    """Return the processes of this host that have the marker in an argument, and still run."""
    found = []
    for name in os.listdir("/proc"):
        try:
            with open(f"/proc/{name}/cmdline", "rb") as file:
                words = file.read()
        except (NotADirectoryError, FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        if name.isdigit() and marker.encode() in words:
            found.append(int(name))
    return found


def number(name: str) -> int:
    """Return the number of a system call of this architecture."""
    found = syscalls.number(name)
    assert found is not None, name
    return found


def outcome(done: subprocess.CompletedProcess[str]) -> tuple[int, str, str]:
    """Return exit code and output of a run."""
    return done.returncode, done.stdout, done.stderr


IDENTITY = whom_sandboxes_run_as()
"""The uid of what runs inside: the caller's, or root's working folder's owner."""
bystander = harness.bystander
