"""``make bench``: what a sandbox costs, as ratios against the same thing without one, or with another tool's.

Both sides of a ratio are measured in turns in this one run, and medians are compared: absolute times mean little on
someone else's machine, and noise hits both sides. Exit status 1 if a figure misses its target. ``python -m bench warm``
measures only that part; the parts are ``cold``, ``files``, ``warm`` and ``gateway``.
"""

import os
import shutil
import sys
import tempfile

from bench import brokered, confinement, gateway, warm, warm_alive
from bench.measured import Row, environment, give_away

PARTS = ("cold", "files", "warm", "gateway")


def measure(apart: str, parts: set[str]) -> list[Row]:
    """Measure these parts, with files beneath a folder."""
    env = environment(apart)
    folder = f"{apart}/work"
    os.mkdir(folder)
    with open(f"{folder}/data", "wb") as file:
        file.write(bytes(4096))
    give_away(folder, f"{folder}/data")
    rows = _cold(apart, folder, env) if "cold" in parts else []
    if "files" in parts and shutil.which("cc"):
        rows += confinement.file_operations(folder, env) + brokered.opens(apart, folder, env)
    elif "files" in parts:
        print("no C compiler here: file operations are not measured", file=sys.stderr)
    if "warm" in parts:
        rows += warm.measure(apart, folder, env) + warm_alive.measure(folder, env)
    if "gateway" in parts:
        rows += gateway.measure(apart, env)
    return rows


def _cold(apart: str, folder: str, env: dict[str, str]) -> list[Row]:
    launch, cold = confinement.cold_start(env)
    rows = [launch, brokered.launch(apart, env)]
    rows += [confinement.composition(folder, env, cold), confinement.memory(folder, env)]
    if os.getuid() == 0:
        return rows + brokered.memory(apart, folder, env)
    print("the brokers' memory is not measured: only root may look at it", file=sys.stderr)
    return rows


def main() -> int:
    """Measure, print the table, and return the exit status."""
    parts = set(sys.argv[1:] or PARTS)
    if not parts <= {*PARTS}:
        sys.exit(f"usage: python -m bench [{'|'.join(PARTS)}]...")
    with tempfile.TemporaryDirectory(prefix="openshell-bench.", dir="/var/tmp") as apart:
        os.chmod(apart, 0o755)
        rows = measure(apart, parts)
    print(f"{'figure':<50}{'value':>7}{'target':>8}  {'':<6}what was compared")
    for row in rows:
        target = "" if row.target is None else f"≤ {row.target:g}"
        verdict = "" if row.target is None else "over" if row.missed else "ok"
        print(f"{row.what:<50}{row.value:>7.2f}{target:>8}  {verdict:<6}{row.sides}")
    return 1 if any(row.missed for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
