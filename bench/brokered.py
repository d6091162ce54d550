"""What the broker of CUDA's thread names costs: its opens, the others', its memory, its launch."""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from bench.measured import Asked, Row, compile_program, in_turns, medians, run

LAUNCHES = 40
SANDBOXES = 50
ONE_PARENT = "mean of their PSS; started by one process"
ALL_OPENS = 8 * 4000
"""As in ``comm.c``."""
MECHANISMS = {"broker": "broker", "rule": "write_file"}
"""What is compared, and the ``runtime.cuda_thread_names`` that makes it so; nothing else differs."""


def policies(folder: str) -> dict[str, str]:
    """Write a policy for each mechanism; return their paths."""
    paths = {}
    for name, choice in MECHANISMS.items():
        paths[name] = f"{folder}/{name}.json"
        policy = {"version": 1, "filesystem_policy": {"include_workdir": True}}
        with open(paths[name], "w", encoding="utf-8") as file:
            json.dump({**policy, "runtime": {"cuda_thread_names": choice}}, file)
    return paths


def opens(apart: str, folder: str, env: dict[str, str]) -> list[Row]:
    """Measure opens with the broker's filter against the same ones under the Landlock rule, in turns."""
    program = compile_program("comm", folder)
    paths = policies(apart)
    broker, rule = [Asked(run("--gpu", "0", "--", program, policy=paths[name]), folder, env) for name in MECHANISMS]
    rows = [
        _ratio("naming a new thread, brokered / Landlock", 20, *medians(broker, rule, "n")),
        _same_comm(program, paths, folder, env),
        _information("  the same on any processor, µs", *medians(broker, rule, "s")),
        _ratio("read-only open, with broker / Landlock", 1.1, *medians(broker, rule, "r")),
        _ratio("O_CREAT open, with broker / Landlock", 1.1, *medians(broker, rule, "c")),
        _many(broker),
    ]
    broker.end()
    rule.end()
    return rows


def _ratio(what: str, target: float, cost: float, base: float) -> Row:
    return Row(what, cost / base, target, f"{cost / 1e3:.2f} µs / {base / 1e3:.2f} µs")


def _information(what: str, cost: float, base: float) -> Row:
    return Row(what, cost / 1e3, None, f"{cost / base:.0f} × {base / 1e3:.2f} µs: an idle processor wakes up twice")


@contextmanager
def _on_one_processor() -> Iterator[None]:
    """Keep what is started meanwhile on one processor, with all its descendants."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _same_comm(program: str, paths: dict[str, str], folder: str, env: dict[str, str]) -> Row:
    """Measure with everything on one processor: what the broker does, without waking up another one for it."""
    with _on_one_processor():
        broker, rule = [Asked(run("--gpu", "0", "--", program, policy=paths[name]), folder, env) for name in MECHANISMS]
    row = _ratio("the same comm again, brokered / Landlock, 1 CPU", 20, *medians(broker, rule, "s"))
    broker.end()
    rule.end()
    return row


def _many(broker: Asked) -> Row:
    spent = broker.ask("m") / 1e9
    sides = f"8 processes × 4,000 opens in {spent:.1f} s, {ALL_OPENS / spent:,.0f} a second"
    return Row("errors in 32,000 brokered opens", broker.ask("e"), 0, sides)


def launch(apart: str, env: dict[str, str]) -> Row:
    """Measure a cold launch with the broker against one without."""
    policy = policies(apart)["broker"]
    true = ("--", "/bin/true")
    without, cost = in_turns(run(*true, policy=policy), run("--gpu", "0", *true, policy=policy), env, LAUNCHES)
    sides = f"{cost * 1e3:.1f} ms / {without * 1e3:.1f} ms"
    return Row("cold start with broker / without", cost / without, 1.3, sides)


def memory(apart: str, folder: str, env: dict[str, str]) -> list[Row]:
    """Measure what memory is a broker's share: alone, and of 50, started by one process and by 50 commands."""
    policy = policies(apart)["broker"]
    begun: list[Asked] = []
    shares = []
    for count in (1, SANDBOXES):
        for number in range(len(begun), count):
            name = ("--name", f"bench-{number}")
            begun.append(Asked(run(*name, "--gpu", "0", "--", "/bin/cat", policy=policy), folder, env))
            begun[-1].ask("0\n")
        state = f"{env['XDG_STATE_HOME']}/openshell/names"
        shares.append(statistics.mean(_share(f"{state}/bench-{number}/receipt.json") for number in range(count)))
    for asked in begun:
        asked.end()
    return [
        Row("memory of a broker alone, MiB", shares[0], 8, "its PSS"),
        Row(f"memory of a broker at {SANDBOXES} sandboxes, MiB", _of_one_parent(policy, folder, env), 3, ONE_PARENT),
        Row(f"  the same, {SANDBOXES} commands, MiB", shares[1], None, "mean of their PSS; each has a heap of its own"),
    ]


def _of_one_parent(policy: str, folder: str, env: dict[str, str]) -> float:
    """Return the mean PSS, in MiB, of the brokers of sandboxes that one process started."""
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "fifty.py")
    command = [sys.executable, "-I", script, policy, str(SANDBOXES)]
    done = subprocess.run(command, cwd=folder, env=env, check=True, stdout=subprocess.PIPE, text=True)
    return int(done.stdout) / 1024


def _share(receipt: str) -> float:
    """Return the PSS of a run's broker, in MiB (proc_pid_smaps_rollup(5)). Only root may know it of a broker."""
    with open(receipt, encoding="utf-8") as file:
        pid = json.load(file)["broker"]["pid"]
    with open(f"/proc/{pid}/smaps_rollup", encoding="utf-8") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Pss:")) / 1024
