"""What every measurement uses: rows, programs that are asked for rounds, and the surroundings they run in."""

import os
import pwd
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import NamedTuple

ROUNDS = 30
"""Rounds of each kind, each side."""
HERE = os.path.dirname(os.path.abspath(__file__))
POLICY = os.path.join(os.path.dirname(HERE), "examples", "policies", "agent.yaml")
BIN = os.path.dirname(sys.executable)
OPENSHELL = os.path.join(BIN, "openshell")


class Row(NamedTuple):
    """A figure: what, measured, the most it may be (None: for information), and what was compared, in words."""

    what: str
    value: float
    target: float | None
    sides: str

    @property
    def missed(self) -> bool:
        """Whether it is over its target."""
        return self.target is not None and self.value > self.target


def environment(folder: str) -> dict[str, str]:
    """Return the environment of everything that is measured: nothing of Python's in it, and a state folder apart."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return {**kept, "XDG_STATE_HOME": f"{folder}/state", "XDG_CONFIG_HOME": f"{folder}/config"}


def run(*arguments: str, policy: str = POLICY) -> list[str]:
    """Return a command line of ``openshell run`` with these words."""
    return [OPENSHELL, "run", "--quiet", "--policy", policy, *arguments]


def seconds(command: list[str], env: dict[str, str]) -> float:
    """Run a command to its end and return how long that took."""
    begin = time.perf_counter()
    _, status = os.waitpid(os.posix_spawn(command[0], command, env), 0)
    spent = time.perf_counter() - begin
    if status != 0:
        sys.exit(f"{' '.join(command)} failed with status {os.waitstatus_to_exitcode(status)}")
    return spent


def in_turns(one: list[str], other: list[str], env: dict[str, str], times: int) -> tuple[float, float]:
    """Run two commands in turns, each once before that counts; return the median seconds of both."""
    for command in (one, other):
        seconds(command, env)
    pairs = [(seconds(one, env), seconds(other, env)) for _ in range(times)]
    return statistics.median(pair[0] for pair in pairs), statistics.median(pair[1] for pair in pairs)


class Asked:
    """A program that answers every request on its standard input with a number, mostly of nanoseconds."""

    def __init__(self, command: Sequence[str], folder: str, env: dict[str, str]) -> None:
        """Start it."""
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, cwd=folder, env=env, stdin=pipe, stdout=pipe, text=True, bufsize=1)

    def ask(self, request: str) -> int:
        """Have it do one round; return its answer."""
        if not self.process.stdin or not self.process.stdout:
            raise RuntimeError("no pipes")
        self.process.stdin.write(request)
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            sys.exit(f"{self.process.args!r} gave no answer (exit status {self.process.wait()})")
        return int(answer)

    def peak_memory(self) -> float:
        """Return the most memory it ever had resident, in MiB."""
        with open(f"/proc/{self.process.pid}/status", encoding="utf-8") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:")) / 1024

    def end(self) -> None:
        """Close its input and wait for it."""
        self.process.communicate()


def medians(one: Asked, other: Asked, request: str, rounds: int = ROUNDS) -> tuple[float, float]:
    """Ask two programs the same in turns; return the median answer of each."""
    pairs = [(one.ask(request), other.ask(request)) for _ in range(rounds)]
    return statistics.median(pair[0] for pair in pairs), statistics.median(pair[1] for pair in pairs)


def compile_program(name: str, folder: str) -> str:
    """Build ``bench/<name>.c`` in a folder, whoever sandboxes run as; return its path."""
    program = f"{folder}/{name}"
    source = os.path.join(HERE, f"{name}.c")
    subprocess.run(["cc", "-O2", "-pthread", "-o", program, source], check=True)
    return program


def give_away(*paths: str) -> None:
    """Let the sandbox write these: as root it runs as the account ``sandbox``, else as the folder's owner."""
    if os.getuid() == 0:
        accounts = {entry.pw_name for entry in pwd.getpwall()}
        for path in paths:
            shutil.chown(path, "sandbox" if "sandbox" in accounts else "nobody")
