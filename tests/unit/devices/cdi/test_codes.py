"""Every code of fault has a file that has it, and a row in the documentation."""

import os
import pathlib

import pytest

from pyopenshell.devices.cdi import lint
from pyopenshell.devices.cdi.codes import CODES
from pyopenshell.devices.gpu import Gpu, Inventory
from pyopenshell.devices.host import Device
from tests.unit.devices.cdi.cases import GOOD, STATES, TEXTS

HOST = Inventory((Gpu(0, "nvidia", ("/dev/nvidia0",)),), (Device("/dev/nvidia0", "gpu", "nvidia"),), "570.86.15")
"""A host with a GPU that no spec here names, and another driver than any of them is for."""
DOCUMENT = pathlib.Path(__file__).parents[4] / "docs/cdi.md"


@pytest.fixture
def folder(tmp_path):
    """An empty folder for specs."""
    path = tmp_path / "cdi"
    path.mkdir(mode=0o755)
    return path


def check(*folders):
    """The faults of these folders, by code."""
    faults = lint.folders([str(path) for path in folders], HOST).faults
    return {fault.code: fault for fault in reversed(faults)}


def test_every_code_has_a_bad_file():
    """No code is without a case, none has two."""
    assert [] == sorted(TEXTS.keys() & STATES.keys())
    assert sorted(CODES) == sorted(TEXTS.keys() | STATES.keys())


@pytest.mark.parametrize("code", TEXTS)
def test_text(code, folder):
    """The fault of each bad text is found, on its line, with the severity of the table and a mend."""
    text, line = TEXTS[code]
    (folder / "a.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    found = check(folder)
    assert code in found
    assert (line, CODES[code].severity) == (found[code].line, found[code].severity)
    assert found[code].mend
    assert found[code].file == (None if code == "cdi.uncovered" else f"{folder}/a.yaml")


@pytest.mark.parametrize("code", STATES)
def test_state(code, folder):
    """The fault of each bad folder or file is found, and names it."""
    if code in ("cdi.mode",) and os.geteuid() != 0:
        pytest.skip("needs: root")
    STATES[code](folder)
    later = [folder.parent / "later"] if code == "cdi.shadowed" else []
    found = check(folder, *later)
    assert code in found
    assert CODES[code].severity == found[code].severity
    assert found[code].mend
    assert str(folder) in found[code].file


@pytest.mark.parametrize("code", [code for code, (text, _) in TEXTS.items() if CODES[code].severity == "error"])
def test_an_error_of_its_own_keeps_a_spec_from_use(code):
    """What engines refuse is not used; what is only stale on this host is."""
    from pyopenshell.devices.cdi.read import read_bytes

    text, _ = TEXTS[code]
    reading = read_bytes(text if isinstance(text, bytes) else text.encode(), "a.yaml")
    stale = list(CODES).index(code) > list(CODES).index("cdi.shadowed")
    assert stale == (reading.spec is not None)


def test_a_good_spec_has_no_fault(folder):
    """The text that the cases vary is clean on a host that has what it names."""
    (folder / "a.yaml").write_text(GOOD)
    assert () == lint.folders([str(folder)], Inventory()).faults


def test_the_documentation_has_every_code():
    """The table of docs/cdi.md is that of the code: codes, severities, meanings and mends, in this order."""
    rows = [line for line in DOCUMENT.read_text().splitlines() if line.startswith("| `cdi.")]
    expected = [f"| `{row.code}` | {row.severity} | {row.meaning} | {row.mend} |" for row in CODES.values()]
    assert expected == [row for row in rows if row.count("|") == 5]
