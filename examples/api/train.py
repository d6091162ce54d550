"""A training launcher: a GPU sandbox, a time limit, the log as it is written, the reasons when it cannot start.

    python3 examples/api/train.py --gpus 1 --hours 2 -- python3 train.py --epochs 3

``--gpus 0`` gives the runtime of a GPU without a device, to see on any machine what CUDA would be granted.
"""

from __future__ import annotations

import argparse
import sys

from pyopenshell import OpenShellError, Policy, Sandbox
from pyopenshell.errors import CommandTimeout, GpuError

POLICY = Policy.from_dict(
    {
        "version": 1,
        "filesystem_policy": {"include_workdir": True, "read_only": ["/opt/models", "/srv/datasets"]},
        "landlock": {"compatibility": "best_effort"},
    }
)


def train(command: list[str], gpus: int, hours: float) -> int:
    """Run the command to its end, and return its exit code; 124 where it took too long, as timeout(1) does."""
    with Sandbox(POLICY, gpu=gpus) as box:
        for grant in box.effective.runtime_additions:
            print(f"added by the runtime: {', '.join(grant.actual)} on {grant.path} ({grant.origin})", flush=True)
        for finding in box.effective.findings:
            if finding.severity == "High":
                print(f"high: {finding.message}", file=sys.stderr)
        try:
            # Not captured: the log goes where this program's output goes, as it is written.
            return box.run(command, timeout=hours * 3600, capture=False).exit
        except CommandTimeout:
            print(f"stopped after {hours} hours; the record is {box.record}", file=sys.stderr)
            return 124


def main() -> int:
    """Read the command line, and say of every failure what can be done about it."""
    parser = argparse.ArgumentParser(description="Train in a sandbox.")
    parser.add_argument("--gpus", type=int, default=1)
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("command", nargs="+")
    arguments = parser.parse_args()
    try:
        return train(arguments.command, arguments.gpus, arguments.hours)
    except GpuError as error:
        print("no GPU for this job:", *error.lines(), sep="\n", file=sys.stderr)
    except OpenShellError as error:
        print(*error.lines(), sep="\n", file=sys.stderr)
    return 125


if __name__ == "__main__":
    sys.exit(main())
