"""The linter as a function: what it looks at, and in which order it says what is wrong."""

import pytest

from pyopenshell.devices.cdi import lint, registry
from pyopenshell.devices.gpu import Gpu, Inventory
from pyopenshell.devices.host import Device
from pyopenshell.errors import OpenShellError
from tests.unit.devices.cdi.cases import GOOD, spec

NONE = Inventory()
GPU = Inventory((Gpu(0, "nvidia", ("/dev/nvidia0",)),), (Device("/dev/nvidia0", "gpu", "nvidia"),))


@pytest.fixture(autouse=True)
def closed(tmp_path):
    """A folder that only its owner writes to."""
    tmp_path.chmod(0o755)


def unread():
    """Standard input that must not be read."""
    raise AssertionError


def codes(report):
    """The codes of a report's faults."""
    return [fault.code for fault in report.faults]


@pytest.fixture
def standard(tmp_path, monkeypatch):
    """Standard folders of our own, the second of which does not exist."""
    (tmp_path / "etc").mkdir()
    paths = (f"{tmp_path}/etc", f"{tmp_path}/run")
    monkeypatch.setattr(registry, "STANDARD", paths)
    return paths


def test_without_a_gpu_nothing_is_missing(standard):
    """Standard folders without a spec are no fault where there is nothing to write one for."""
    assert ((), 0, False) == (lint.folders(standard, NONE).faults, lint.folders(standard, NONE).errors, False)
    assert ["cdi.folder-empty", "cdi.folder-missing"] == codes(lint.folders(standard, GPU))


def test_folders_that_were_named_must_have_specs(standard):
    """Whoever names a folder expects specs in it, GPU or not."""
    assert ["cdi.folder-empty"] == codes(lint.folders(standard[:1], NONE))


def test_gpus_in_no_spec_are_told_of_configured_folders_only(tmp_path):
    """A single file says nothing about other files."""
    (tmp_path / "a.yaml").write_text(GOOD)
    assert ["cdi.uncovered"] == codes(lint.folders([str(tmp_path)], GPU))
    assert [] == codes(lint.paths([str(tmp_path / "a.yaml")], GPU, unread))


def test_standard_input(tmp_path):
    """A spec from a pipe is checked like a file, without modes and names."""
    report = lint.paths(["-"], NONE, lambda: spec("deviceNodes: [{path: /dev/gone}]").encode())
    assert [("cdi.node-missing", "-")] == [(fault.code, fault.file) for fault in report.faults]


def test_files_of_one_folder_are_beside_each_other(tmp_path):
    """Two files that were given conflict where engines would see them together, and only there."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir(mode=0o755)
        for file in ("x.yaml", "y.yaml"):
            (tmp_path / name / file).write_text(GOOD)
            (tmp_path / name / file).chmod(0o644)
    one, two = f"{tmp_path}/a/x.yaml", f"{tmp_path}/b/y.yaml"
    assert ["cdi.conflict"] == codes(lint.paths([one, f"{tmp_path}/a/y.yaml"], NONE, unread))
    assert ["cdi.shadowed"] == codes(lint.paths([one, two], NONE, unread))
    assert [] == codes(lint.paths([one, one], NONE, unread))
    assert ["cdi.conflict"] == codes(lint.paths([f"{tmp_path}/a/"], NONE, unread))


def test_any_file_that_is_named_is_read(tmp_path):
    """Whatever its ending, which is a warning; a folder that is named as a spec is looked into."""
    (tmp_path / "a.yml").write_text(spec("env: [A]"))
    report = lint.paths([f"{tmp_path}/a.yml"], NONE, unread)
    assert (["cdi.ending", "cdi.bad-env"], 1) == (codes(report), report.errors)
    (tmp_path / "d.yaml").mkdir(mode=0o755)
    assert ["cdi.folder-empty"] == codes(lint.paths([f"{tmp_path}/d.yaml"], NONE, unread))
    (tmp_path / "link").symlink_to("d.yaml")
    assert ["cdi.folder-empty"] == codes(lint.paths([f"{tmp_path}/link"], NONE, unread))


def test_a_path_that_is_not_there(tmp_path):
    """It is an error of the system; a dangling link is a fault."""
    for path in (f"{tmp_path}/gone", f"{tmp_path}/gone/", "", "a\0b"):
        with pytest.raises(OpenShellError) as caught:
            lint.paths([path], NONE, unread)
        assert ("cdi.no-such-path", 4) == (caught.value.code, caught.value.exit_code)
    (tmp_path / "a.yaml").symlink_to("gone")
    assert ["cdi.dangling-link"] == codes(lint.paths([f"{tmp_path}/a.yaml"], NONE, unread))


def test_faults_of_a_file_stand_together(tmp_path):
    """Those of the text, beside others, as a file and against the host follow each other; folders come first."""
    (tmp_path / "a.yaml").write_text(spec("deviceNodes: [{path: /dev/gone, permissions: none}]"))
    (tmp_path / "b.yaml").write_text(spec("deviceNodes: [{path: /dev/null}]"))
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).chmod(0o664)
    tmp_path.chmod(0o775)
    report = lint.folders([str(tmp_path)], NONE)
    expected = [
        ("writable", tmp_path),
        ("permissions-none", tmp_path / "a.yaml"),
        ("writable", tmp_path / "a.yaml"),
        ("node-missing", tmp_path / "a.yaml"),
        ("conflict", tmp_path / "b.yaml"),
        ("writable", tmp_path / "b.yaml"),
    ]
    assert expected == [(fault.code.removeprefix("cdi."), type(tmp_path)(fault.file)) for fault in report.faults]
    assert 2 == report.errors
