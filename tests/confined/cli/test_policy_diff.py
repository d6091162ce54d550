"""``openshell policy diff`` on what this kernel really enforced, beside what an older one would."""

from __future__ import annotations

import json

from tests.confined.cli.test_verbs import openshell, place, shown_any  # noqa: F401 - fixtures

OLDER = 1
"""The ABI of the other run: on every kernel with Landlock something is different."""


def test_an_older_abi_beside_this_kernels(openshell, place):  # noqa: F811
    """Each right that only this kernel handles is one difference, judged by what covers it.

    Beside rights only what stands in for them differs: the syscall filter covers truncate, a scope or right that is
    not there leaves a kind of isolation open where there are no namespaces. Without Landlock both runs are the same.
    """
    policy = str(place / "policy.yaml")
    for name, more in (("own", ()), ("older", ("--max-abi", str(OLDER)))):
        done = openshell("run", "-q", "-n", name, "-p", policy, "--unsafe-unconfined", *more, "--", "true")
        assert (0, "") == (done.returncode, done.stdout), done.stderr
        (place / f"{name}.json").write_text(openshell("policy", "get", name, "--full", "-o", "json").stdout)
    own, older = (json.loads((place / f"{name}.json").read_text()) for name in ("own", "older"))
    done = openshell("policy", "diff", "own", str(place / "older.json"), "-o", "json")
    found = shown_any(done)
    lost = set(own["landlock"]["handled"]) - set(older["landlock"]["handled"])
    covers = {gap["right"]: gap["covered_by"] for gap in older["landlock"]["dropped"]}
    expected = {name: "other" if covers[name] else "looser" for name in lost}
    if "refer" in lost:
        expected["refer"] = "tighter"  # below ABI 2 nothing is moved to another folder
    told = {one["subject"]: one["direction"] for one in found["differences"] if one["kind"] == "right"}
    abi = own["landlock"]["abi"]
    assert expected == told
    assert (abi >= 5, abi >= 2) == (told.get("ioctl_dev") == "looser", told.get("refer") == "tighter")
    assert (not lost, int(bool(lost))) == (found["same"], done.returncode)
    assert {one["kind"] for one in found["differences"]} <= {"right", "syscalls", "log", "isolation"}
