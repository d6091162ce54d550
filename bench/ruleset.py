"""The time of composing an effective policy of 256 paths and building its Landlock ruleset, on request.

For every line on standard input it answers with the nanoseconds that one round took. The policy is read and the host
examined before; nothing is enforced.
"""

import os
import sys
import time
from unittest import mock

from pyopenshell.effective.compose import compose
from pyopenshell.effective.model import Effective
from pyopenshell.effective.request import Request
from pyopenshell.landlock import ruleset
from pyopenshell.planning import Planned, RunRequest, plan
from pyopenshell.planning import planned as composing

PATHS = 256


def policy_of(paths: list[str]) -> str:
    """Return a policy that declares these paths, half of them writable."""
    middle = len(paths) // 2
    read_only = "".join(f"    - {path}\n" for path in paths[:middle])
    read_write = "".join(f"    - {path}\n" for path in paths[middle:])
    return f"version: 1\nfilesystem_policy:\n  read_only:\n{read_only}  read_write:\n{read_write}"


def prepare(folder: str) -> tuple[Request, Planned]:
    """Make the paths, and plan a sandbox for them; return what its composition was given, and the plan."""
    paths = [f"{folder}/paths/{number:03}" for number in range(PATHS)]
    for path in paths:
        os.makedirs(path)
    with open(f"{folder}/policy.yaml", "w", encoding="utf-8") as file:
        file.write(policy_of(paths))
    given: list[Request] = []

    def overhear(request: Request) -> Effective:
        given.append(request)
        return compose(request)

    with mock.patch.object(composing, "compose", overhear):
        planned = plan(RunRequest(command=("/bin/true",), policy=f"{folder}/policy.yaml", workdir=folder))
    return given[0], planned


def once(request: Request, planned: Planned) -> int:
    """Compose and build; return the nanoseconds it took."""
    plan = planned.plan
    # What a launch makes for the sandbox alone is not there now.
    rules = [(grant, path, mask) for grant, path, _, mask in plan.rules if os.path.exists(path)]
    start = time.perf_counter_ns()
    compose(request)
    opened = [(grant, os.open(path, os.O_PATH | os.O_CLOEXEC), mask) for grant, path, mask in rules]
    built, outcomes = ruleset.build(*plan.handled, opened)
    spent = time.perf_counter_ns() - start
    for fd in (built, *(fd for _, fd, _ in opened)):
        os.close(fd)
    if sum(1 for outcome in outcomes if not outcome["errno"]) < PATHS:
        raise SystemExit(f"only these rules were accepted: {outcomes}")
    return spent


def main(folder: str) -> None:
    """Answer requests until standard input ends."""
    request, planned = prepare(folder)
    for _ in sys.stdin:
        print(once(request, planned), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
