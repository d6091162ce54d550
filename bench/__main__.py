"""``make bench``: what a sandbox costs, as ratios against the same thing without one.

Both sides of a ratio are measured in turns in this one run, and medians are compared: absolute times mean little on
someone else's machine, and noise hits both sides. Exit status 1 if a figure misses its target.
"""

import os
import pwd
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence

STARTS = 40
"""Launches of each kind."""
ROUNDS = 30
"""Rounds of 10,000 operations, each kind, each side."""
OPERATIONS = {"o": "10,000 opens", "r": "10,000 reads", "w": "10,000 writes", "s": "10,000 stats"}
HERE = os.path.dirname(os.path.abspath(__file__))
POLICY = os.path.join(os.path.dirname(HERE), "examples", "policies", "agent.yaml")
BIN = os.path.dirname(sys.executable)
OPENSHELL = os.path.join(BIN, "openshell")

Row = tuple[str, float, float, str]
"""A figure: what, measured, target, and both sides in words."""


def environment(folder: str) -> dict[str, str]:
    """Return the environment of everything that is measured: nothing of Python's in it, and a state folder apart."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return {**kept, "XDG_STATE_HOME": f"{folder}/state", "XDG_CONFIG_HOME": f"{folder}/config"}


def seconds(command: list[str], env: dict[str, str]) -> float:
    """Run a command to its end and return how long that took."""
    begin = time.perf_counter()
    _, status = os.waitpid(os.posix_spawn(command[0], command, env), 0)
    spent = time.perf_counter() - begin
    if status != 0:
        sys.exit(f"{' '.join(command)} failed with status {os.waitstatus_to_exitcode(status)}")
    return spent


def cold_start(env: dict[str, str]) -> tuple[Row, float]:
    """Measure a cold launch against a bare interpreter; return the row and the launch's seconds."""
    bare = [sys.executable, "-c", "pass"]
    confined = [OPENSHELL, "run", "--quiet", "--policy", POLICY, "--", "/bin/true"]
    for command in (bare, confined):
        seconds(command, env)
    pairs = [(seconds(bare, env), seconds(confined, env)) for _ in range(STARTS)]
    base = statistics.median(pair[0] for pair in pairs)
    cold = statistics.median(pair[1] for pair in pairs)
    return ("cold start / python3 -c pass", cold / base, 5, f"{cold * 1e3:.1f} ms / {base * 1e3:.1f} ms"), cold


class Asked:
    """A program that answers every request on its standard input with nanoseconds."""

    def __init__(self, command: Sequence[str], folder: str, env: dict[str, str]) -> None:
        """Start it."""
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, cwd=folder, env=env, stdin=pipe, stdout=pipe, text=True, bufsize=1)

    def ask(self, request: str) -> int:
        """Have it do one round; return the nanoseconds."""
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


def file_operations(folder: str, env: dict[str, str]) -> list[Row]:
    """Measure each kind of file operation in a sandbox and bare, in turns."""
    program = f"{folder}/fileops"
    subprocess.run(["cc", "-O2", "-o", program, os.path.join(HERE, "fileops.c")], check=True)
    with open(f"{folder}/data", "wb") as file:
        file.write(bytes(4096))
    give_away(folder)
    bare = Asked([program], folder, env)
    confined = Asked([OPENSHELL, "run", "--quiet", "--policy", POLICY, "--", program], folder, env)
    rows = []
    for letter, name in OPERATIONS.items():
        pairs = [(bare.ask(letter), confined.ask(letter)) for _ in range(ROUNDS)]
        base = statistics.median(pair[0] for pair in pairs) / 1e7
        cost = statistics.median(pair[1] for pair in pairs) / 1e7
        rows.append((f"{name}, confined / bare", cost / base, 1.7, f"{cost:.2f} µs / {base:.2f} µs"))
    bare.end()
    confined.end()
    return rows


def memory(folder: str, env: dict[str, str]) -> Row:
    """Measure the parent of a sandbox while what it runs waits."""
    parent = Asked([OPENSHELL, "run", "--quiet", "--policy", POLICY, "--", "/bin/cat"], folder, env)
    parent.ask("0\n")
    peak = parent.peak_memory()
    parent.end()
    return ("peak memory of the parent, MiB", peak, 24, "its VmHWM while the command runs")


def composition(folder: str, env: dict[str, str], cold: float) -> Row:
    """Measure composing and building a ruleset of 256 paths against a cold launch."""
    asked = Asked([sys.executable, os.path.join(HERE, "ruleset.py"), folder], folder, env)
    spent = statistics.median(asked.ask("\n") for _ in range(ROUNDS)) / 1e9
    asked.end()
    return (
        "256 paths composed and built / cold start",
        spent / cold,
        0.2,
        f"{spent * 1e3:.1f} ms / {cold * 1e3:.1f} ms",
    )


def give_away(folder: str) -> None:
    """Let the sandbox write the folder: as root it runs as the account ``sandbox``, else as the folder's owner."""
    if os.getuid() == 0:
        accounts = {entry.pw_name for entry in pwd.getpwall()}
        for name in (".", "data", "fileops"):
            shutil.chown(os.path.join(folder, name), "sandbox" if "sandbox" in accounts else "nobody")


def main() -> int:
    """Measure everything, print the table, and return the exit status."""
    with tempfile.TemporaryDirectory(prefix="openshell-bench.", dir="/var/tmp") as apart:
        os.chmod(apart, 0o755)
        env = environment(apart)
        folder = f"{apart}/work"
        os.mkdir(folder)
        launch, cold = cold_start(env)
        rows = [launch, composition(folder, env, cold), memory(folder, env)]
        if shutil.which("cc"):
            rows += file_operations(folder, env)
        else:
            print("no C compiler here: file operations are not measured", file=sys.stderr)
    print(f"{'figure':<44}{'value':>7}{'target':>9}  {'':<6}what was compared")
    for what, value, target, sides in rows:
        print(f"{what:<44}{value:>7.2f}{f'≤ {target:g}':>9}  {'ok' if value <= target else 'over':<6}{sides}")
    return 0 if all(value <= target for _, value, target, _ in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
