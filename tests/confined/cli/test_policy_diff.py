"""``openshell policy diff`` on what this kernel really enforced, beside what an older one would."""

from __future__ import annotations

import pytest
from tests.confined.cli.test_verbs import openshell, place, shown_any  # noqa: F401 - fixtures

OLDER = 1
"""The ABI of the other run: on every kernel with Landlock something is different."""
DIRECTIONS = {"missing": "looser", "covered": "other", "handled": None}


@pytest.mark.kernels
def test_an_older_abi_beside_this_kernels(openshell, place):  # noqa: F811
    """Each right that only this kernel handles is one difference, judged by what covers it; reversed it is mirrored.

    Nothing else differs but the syscall filter, which covers truncate. Without Landlock both runs are the same.
    """
    policy = str(place / "policy.yaml")
    for name, more in (("own", ()), ("older", ("--max-abi", str(OLDER)))):
        done = openshell("run", "-q", "-n", name, "-p", policy, "--unsafe-unconfined", *more, "--", "true")
        assert (0, "") == (done.returncode, done.stdout), done.stderr
        (place / f"{name}.json").write_text(openshell("policy", "get", name, "--full", "-o", "json").stdout)
    done = openshell("policy", "diff", "own", str(place / "older.json"), "-o", "json")
    found = shown_any(done)
    own, older = (shown_any(openshell("policy", "get", name, "--full", "-o", "json")) for name in ("own", "older"))
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
    assert {one["kind"] for one in found["differences"]} <= {"right", "syscalls", "log"}

    text = openshell("policy", "diff", str(place / "older.json"), "own")
    assert done.returncode == text.returncode
    counts = found["counts"]
    mirrored = f"B is looser: {counts['tighter']}, tighter: {counts['looser']}, other: {counts['other']}"
    assert (mirrored if lost else "the same") == text.stdout.splitlines()[-1]
