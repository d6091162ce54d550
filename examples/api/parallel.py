"""Many runs at once from threads: each candidate solution in a sandbox of its own, judged by what it prints.

    python3 examples/api/parallel.py

A sandbox for each, so that no candidate sees what another one left. All of them come from one zygote, which the first
one starts: from then on a sandbox costs a few milliseconds.
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from pyopenshell import Policy, Result, Sandbox
from pyopenshell.errors import CommandTimeout

POLICY = Policy.from_dict({"version": 1})
SECONDS = 5.0
TESTS = (("3 4", "7"), ("10 -2", "8"))
CANDIDATES = {
    "right": "a, b = map(int, input().split()); print(a + b)",
    "wrong": "a, b = map(int, input().split()); print(a * b)",
    "raises": "raise SystemExit('no idea')",
    "peeks": "print(open('/etc/shadow').read())",
    "loops": "while True: pass",
}


class Verdict(NamedTuple):
    """What became of one candidate."""

    name: str
    passed: int
    seconds: float
    why: str


def judge(name: str) -> Verdict:
    """Run a candidate on every test, in one sandbox."""
    passed, seconds, why = 0, 0.0, ""
    with Sandbox(POLICY) as box:
        for given, expected in TESTS:
            try:
                result: Result = box.run(["python3", "-c", CANDIDATES[name]], input=given, timeout=SECONDS)
            except CommandTimeout:
                return Verdict(name, passed, SECONDS, f"longer than {SECONDS:.0f} s")
            seconds += result.seconds
            if result.stdout.strip() == expected:
                passed += 1
            elif not why:
                why = (result.stderr.strip().splitlines() or [f"printed {result.stdout.strip()}"])[-1]
    return Verdict(name, passed, seconds, why)


def main() -> int:
    """Judge all candidates at once, and print them in their order."""
    with ThreadPoolExecutor(max_workers=8) as threads:
        for verdict in threads.map(judge, CANDIDATES):
            print(f"{verdict.name:<8}{verdict.passed}/{len(TESTS)}  {verdict.why}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
