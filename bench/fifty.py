"""Fifty sandboxes with a broker each, started by one process: prints the mean PSS of their brokers, in KiB.

    python fifty.py POLICY COUNT

As a service would start them that forks for each: what all have in memory is shared by all. Only root may ask for the
memory of a broker, which is not dumpable.
"""

import gc
import importlib
import os
import statistics
import sys

from pyopenshell import runs, sandbox

EARLY = (
    "pyopenshell.chronicle",
    "pyopenshell.devices.choose",
    "pyopenshell.baseline.gpu",
    "pyopenshell.effective.devices",
    "pyopenshell.effective.preflight",
    "json",
)
"""Imported before the forks, like everything else that a run needs."""


def start(policy: str, name: str) -> tuple[int, int]:
    """Fork a process that runs a sandbox; return it and the pipe that ends its program when closed."""
    ours, theirs = os.pipe()
    told, tell = os.pipe()
    pid = os.fork()

    def ready(_planned: object, _effective: object) -> None:
        os.write(tell, b"!")

    if pid == 0:
        os.close(theirs)
        os.dup2(ours, 0)
        request = sandbox.RunRequest(command=("/bin/cat",), policy=policy, name=name, gpu=0)
        try:
            sandbox.run(request, ready)
        finally:
            os._exit(0)
    os.close(ours)
    os.close(tell)
    os.read(told, 1)
    os.close(told)
    return pid, theirs


def share(name: str) -> int:
    """Return the PSS of a sandbox's broker (proc_pid_smaps_rollup(5))."""
    receipt = runs.find(name).receipt() or {}
    with open(f"/proc/{receipt['broker']['pid']}/smaps_rollup", encoding="utf-8") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Pss:"))


def main(policy: str, count: int) -> None:
    """Start them all, measure, and end them."""
    gc.disable()
    for name in EARLY:
        importlib.import_module(name)
    names = [f"fifty-{number}" for number in range(count)]
    started = [start(policy, name) for name in names]
    print(round(statistics.mean(share(name) for name in names)))
    for _, pipe in started:
        os.close(pipe)
    for pid, _ in started:
        os.waitpid(pid, 0)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
