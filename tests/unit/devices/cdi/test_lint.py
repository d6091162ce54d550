"""The linter as a function: what it looks at, and in which order it says what is wrong."""

import os

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
    assert ["cdi.folder-empty"] == codes(lint.folders(standard, GPU))


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
    with pytest.raises(OpenShellError, match=r"^an empty PATH names nothing$"):
        lint.paths([""], NONE, unread)
    (tmp_path / "a.yaml").symlink_to("gone")
    assert ["cdi.dangling-link"] == codes(lint.paths([f"{tmp_path}/a.yaml"], NONE, unread))


def mends(report):
    """The codes of a report's faults with their mends."""
    return [(fault.code.removeprefix("cdi."), fault.mend) for fault in report.faults]


DIFFERENT = [
    (b"root:x:0:0::/root:/bin/sh\n", ["wrong-type"]),
    (b"127.0.0.1\tlocalhost\n", ["wrong-type"]),
    (b"\x7fELF\x00\xff", ["not-text"]),
    (b"", ["empty"]),
    (b"- a\n", ["wrong-type"]),
    (b"kind: Pod\n", ["bad-kind", "missing-field", "no-devices"]),
]


@pytest.mark.parametrize(("data", "found"), DIFFERENT)
def test_a_file_that_is_no_spec(tmp_path, data, found):
    """Whoever named the wrong file is told so: no mend renames it, removes it or lets others read it."""
    path = tmp_path / "shadow"
    path.write_bytes(data)
    path.chmod(0o600)
    report = lint.paths([str(path)], NONE, unread)
    assert [(code, "name a spec file") for code in found] == sorted(mends(report))


def test_a_manifest(tmp_path):
    """What is of Kubernetes is not to be made a spec of, field by field."""
    path = tmp_path / "pod.yaml"
    path.write_text("apiVersion: v1\nkind: Pod\nspec: {}\n")
    assert {"name a spec file"} == {mend for _, mend in mends(lint.paths([str(path)], NONE, unread))}


def test_what_is_no_file(tmp_path):
    """A device, a pipe, and links that lead nowhere are left alone, whatever their names."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "gone.yaml").symlink_to("nothing")
    (tmp_path / "circle.yaml").symlink_to("circle.yaml")
    (tmp_path / "zero.yml").symlink_to("/dev/zero")
    paths = ["/dev/zero", *(str(tmp_path / name) for name in ("gone.yaml", "circle.yaml", "zero.yml"))]
    told = [mends(lint.paths([path], NONE, unread)) for path in paths]
    codes = ("not-a-file", "dangling-link", "link-cycle", "not-a-file")
    assert [[(code, "name a spec file")] for code in codes] == told
    assert mends(lint.paths([str(tmp_path / "pipe")], NONE, unread))[0][1].endswith(": openshell gpu lint -")


def test_a_text_that_is_named_as_a_spec_is_mended(tmp_path):
    """Its name says that it was meant for one: what is wrong in it can be corrected."""
    for name in ("a.yaml", "b.yml"):
        (tmp_path / name).write_text("kind: a: b\n")
        (tmp_path / name).chmod(0o600)
        [(code, mend)] = mends(lint.paths([str(tmp_path / name)], NONE, unread))
        assert ("syntax", False) == (code, "name a spec file" in mend)


def test_a_file_is_renamed_only_where_that_makes_a_spec(tmp_path):
    """Not one with an error, and never over another file; in a folder as by its name."""
    path = tmp_path / "a.yml"

    def ending():
        named, folder = lint.paths([str(path)], NONE, unread), lint.folders([str(tmp_path)], NONE)
        told = [[fault.mend for fault in report.faults if fault.code == "cdi.ending"] for report in (named, folder)]
        assert told[0] == told[1]
        return told[0]

    path.write_text(GOOD)
    assert [f"mv {path} {tmp_path}/a.yaml"] == ending()
    path.write_text(spec("env: [A]"))
    assert ["rename it if it is a spec"] == ending()
    path.write_text(GOOD)
    (tmp_path / "a.yaml").symlink_to("gone")
    assert [lint.TAKEN] == ending()


def test_folders_that_are_no_folders_of_specs(tmp_path):
    """Their modes and those of other files in them are nobody's business here; specs in them are.

    That others cannot read a spec is told of root's specs alone.
    """
    closed = {"mode"} if os.geteuid() == 0 else set()
    folder = tmp_path / "secrets"
    folder.mkdir(mode=0o700)
    (folder / "network.yaml").write_text("network: {password: x}\n")
    for path, mode in ((folder / "network.yaml", 0o602), (folder, 0o772)):
        path.chmod(mode)
    given = lint.paths([str(folder)], NONE, unread)
    assert set() == {"cdi.mode", "cdi.writable"} & set(codes(given))
    told = {code for code, _ in mends(lint.folders([str(folder)], NONE))}
    assert {*closed, "writable"} == told & {"mode", "writable"}
    configured = lint.paths([str(folder)], NONE, unread, [f"{folder}/"])
    assert {f"cdi.{code}" for code in (*closed, "writable")} <= set(codes(configured))
    (folder / "network.yaml").write_text(GOOD)
    found = [(fault.code, fault.file) for fault in lint.paths([str(folder)], NONE, unread).faults]
    assert [("cdi.writable", str(folder))] == found[:1]
    assert bool(closed) is (("cdi.mode", f"{folder}/network.yaml") in found)
    assert ("cdi.mode", str(folder)) not in found
    (folder / "network.yaml").unlink()
    assert [("folder-empty", "name a folder of specs")] == mends(lint.paths([str(folder)], NONE, unread))


def test_specs_that_clash_with_standard_input(tmp_path):
    """It is called that, not by the dash of the command line."""
    (tmp_path / "a.yaml").write_text(GOOD)
    (tmp_path / "a.yaml").chmod(0o644)
    report = lint.paths([f"{tmp_path}/a.yaml", "-"], NONE, GOOD.encode)
    assert [("shadowed", "keep standard input alone, if it is the newer one")] == mends(report)


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
