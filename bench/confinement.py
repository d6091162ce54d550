"""What any sandbox costs: its start, its file operations, its parent's memory, its composition."""

import os
import statistics
import sys

from bench.measured import HERE, ROUNDS, Asked, Row, compile_program, in_turns, medians, run

STARTS = 40
"""Launches of each kind."""
OPERATIONS = {"o": "10,000 opens", "r": "10,000 reads", "w": "10,000 writes", "s": "10,000 stats"}


def cold_start(env: dict[str, str]) -> tuple[Row, float]:
    """Measure a cold launch against a bare interpreter; return the row and the launch's seconds."""
    base, cold = in_turns([sys.executable, "-c", "pass"], run("--", "/bin/true"), env, STARTS)
    return Row("cold start / python3 -c pass", cold / base, 5, f"{cold * 1e3:.1f} ms / {base * 1e3:.1f} ms"), cold


def file_operations(folder: str, env: dict[str, str]) -> list[Row]:
    """Measure each kind of file operation in a sandbox and bare, in turns."""
    program = compile_program("fileops", folder)
    bare = Asked([program], folder, env)
    confined = Asked(run("--", program), folder, env)
    rows = []
    for letter, name in OPERATIONS.items():
        base, cost = (spent / 1e7 for spent in medians(bare, confined, letter))
        rows.append(Row(f"{name}, confined / bare", cost / base, 1.7, f"{cost:.2f} µs / {base:.2f} µs"))
    bare.end()
    confined.end()
    return rows


def memory(folder: str, env: dict[str, str]) -> Row:
    """Measure the parent of a sandbox while what it runs waits."""
    parent = Asked(run("--", "/bin/cat"), folder, env)
    parent.ask("0\n")
    peak = parent.peak_memory()
    parent.end()
    return Row("peak memory of the parent, MiB", peak, 24, "its VmHWM while the command runs")


def composition(folder: str, env: dict[str, str], cold: float) -> Row:
    """Measure composing and building a ruleset of 256 paths against a cold launch."""
    asked = Asked([sys.executable, os.path.join(HERE, "ruleset.py"), folder], folder, env)
    spent = statistics.median(asked.ask("\n") for _ in range(ROUNDS)) / 1e9
    asked.end()
    sides = f"{spent * 1e3:.1f} ms / {cold * 1e3:.1f} ms"
    return Row("256 paths composed and built / cold start", spent / cold, 0.2, sides)
