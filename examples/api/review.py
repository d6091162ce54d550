"""A policy that a program makes, and a review of it before anybody relies on it.

    python3 examples/api/review.py

Mistakes come all at once, with their keys. What the policy comes to on this machine, the report is asked, path by path.
"""

from __future__ import annotations

import sys

from pyopenshell import Policy, PolicyError, Sandbox

QUESTIONS = (("/usr/bin/env", False), ("/etc/shadow", True), ("result.json", True))
"""What a reviewer wants to know: a path, and whether about writing."""


def make(read_only: list[str], read_write: list[str]) -> Policy:
    """Return the policy for a job that reads and writes these."""
    files = {"include_workdir": True, "read_only": read_only, "read_write": read_write}
    return Policy.from_dict({"version": 1, "filesystem_policy": files})


def review(policy: Policy) -> None:
    """Print what a sandbox of this policy may do, and what weakens it."""
    with Sandbox(policy) as box:
        effective = box.effective
        for path, write in QUESTIONS:
            answer = effective.why(path, write=write)
            verdict = "may" if answer.allowed else "may not"
            because = ", ".join(sorted({str(grant.origin) for grant in answer.grants})) or "no grant"
            print(f"{verdict} {answer.wants} {path}: {because}")
        print(f"{len(effective.grants)} grants, {len(effective.runtime_additions)} added by the runtime")
        for finding in effective.findings:
            print(f"{finding.severity.lower()}: {finding.code}")


def main() -> int:
    """Show a policy that is refused, and one that holds."""
    try:
        make(["opt/models"], ["/var/cache/../lib"])
    except PolicyError as error:
        for problem in error.problems:
            print(problem.message)
    review(make(["/opt"], []))
    return 0


if __name__ == "__main__":
    sys.exit(main())
