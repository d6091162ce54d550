"""What docs/support/distributions.json says of distributions fits together, and says where it is from."""

import json
import re
from pathlib import Path

import pytest

FILE = Path(__file__).resolve().parents[2] / "docs" / "support" / "distributions.json"
ENTRIES = json.loads(FILE.read_text())["distributions"]
SINCE = ((5, 13), (5, 19), (6, 2), (6, 7), (6, 10), (6, 12), (6, 15), (7, 0), (7, 1), (7, 2), (7, 3))
"""The kernel that each Landlock ABI came with, from 1 on."""
KEYS = {"name", "kernel", "abi", "landlock_enabled_by_default", "yama", "userns", "note", "source", "measured_as"}


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry["name"])
def test_entry(entry):
    """An ABI follows from the kernel's version where it is an upstream one, and from the row that was measured."""
    assert entry.keys() == KEYS
    assert entry["source"].strip()
    assert entry["userns"] in ("allowed", "made, without capabilities", None)
    assert entry["yama"] in (0, 1, None)
    version = re.fullmatch(r"(\d+)\.(\d+)", entry["kernel"])
    if version and entry["abi"] is not None:
        number = int(version[1]), int(version[2])
        expected = sum(number >= since for since in SINCE) if entry["landlock_enabled_by_default"] else 0
        assert expected == entry["abi"]
    if masked := re.match(r"masked ABI (\d+)", entry["measured_as"] or ""):
        assert int(masked[1]) == entry["abi"]
    restricted = (entry["measured_as"] or "").endswith("as on Ubuntu 24.04")
    assert restricted == (entry["userns"] == "made, without capabilities")


def test_names():
    """Each distribution is told of once."""
    names = [entry["name"] for entry in ENTRIES]
    assert sorted(set(names)) == sorted(names)
