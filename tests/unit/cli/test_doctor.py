"""``doctor`` says what fails and what to do; and only a host where a sandbox works gets exit code 0."""

from __future__ import annotations

import argparse
import errno
import json
import os
import tempfile

import pytest

from pyopenshell.cli import doctor
from pyopenshell.cli.doctor import codes, everything, kernel, launched, process, view
from pyopenshell.cli.doctor.codes import check
from pyopenshell.cli.doctor.roots import Roots
from pyopenshell.devices.host import Host, Namespaces
from pyopenshell.launch import facts

HOST = Host(
    release="6.18.0",
    architecture="x86_64",
    landlock_abi=7,
    namespaces=Namespaces(False, True, True, True, True, None),
)


def rows(host):
    """Return the checks about the kernel, by name."""
    return {check.name: check for check in kernel.checks(host)}


@pytest.mark.parametrize(
    ("change", "name", "status", "seen"),
    [
        ({}, "landlock", "ok", "ABI 7"),
        ({"landlock_abi": 2}, "landlock", "warn", "lacks truncate (ABI 3, Linux 6.2), bind_tcp and connect_tcp (ABI 4"),
        ({"landlock_abi": 6}, "landlock", "ok", "lacks resolve_unix (ABI 9, Linux 7.1), bind_udp and connect_send_udp"),
        ({"landlock_abi": 11}, "landlock", "ok", "ABI 11, errata"),
        ({"landlock_abi": 0, "landlock_errno": errno.ENOSYS}, "landlock", "fail", "ENOSYS"),
        ({"landlock_abi": 0, "landlock_errno": errno.EOPNOTSUPP}, "landlock", "fail", "EOPNOTSUPP"),
        ({"landlock_abi": 0, "landlock_errno": errno.EPERM}, "landlock", "fail", "EPERM"),
        ({"seccomp": False}, "seccomp", "fail", "refused"),
        ({"architecture": "riscv64"}, "architecture", "fail", "riscv64"),
        ({"namespaces": Namespaces(reason="user namespace: EPERM")}, "net namespace", "warn", "user namespace: EPERM"),
        ({"namespaces": Namespaces(True, True, True, True, True)}, "pid namespace", "ok", "inside a user namespace"),
    ],
)
def test_kernel(change, name, status, seen):
    """Each fact of the host becomes a row: what a sandbox cannot do without fails, what weakens it warns."""
    row = rows(HOST.replace(**change))[name]
    assert status == row.status
    assert seen in row.evidence
    assert row.hint or status == "ok"


@pytest.mark.parametrize(
    ("settings", "seen"),
    [
        ({}, []),
        (
            {"kernel/unprivileged_userns_clone": "1", "user/max_user_namespaces": "0"},
            ["user.max_user_namespaces=10000"],
        ),
        ({"kernel/unprivileged_userns_clone": "0"}, ["kernel.unprivileged_userns_clone=1"]),
        (
            {"kernel/apparmor_restrict_unprivileged_userns": "1"},
            ["kernel.apparmor_restrict_unprivileged_userns=0"],
        ),
    ],
)
def test_closed_user_namespaces(monkeypatch, settings, seen):
    """To an ordinary user without namespaces each setting that closes them is named, with one that opens them."""
    monkeypatch.setattr(kernel, "_setting", settings.get)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    made, closed = HOST, HOST.replace(namespaces=Namespaces(reason="user namespace: EPERM"))
    assert "user namespace" not in {check.name for check in kernel._namespaces(made)}
    found = [check for check in kernel._namespaces(closed) if check.name == "user namespace"]
    assert seen == [str(check.hint).rpartition("sysctl ")[2] for check in found]
    assert all(check.status == "warn" and " is " in check.evidence for check in found)


@pytest.mark.parametrize(
    ("scope", "seen"), [(None, "not in this kernel"), ("1", "ptrace_scope 1: a process may trace its own descendants")]
)
def test_yama(monkeypatch, scope, seen):
    """What the scope means is said in words."""
    monkeypatch.setattr(kernel, "_setting", {kernel.YAMA: scope}.get)
    assert seen in kernel._yama().evidence


SHAPE = ["group", "name", "code", "status", "severity", "evidence", "hint", "steps"]


@pytest.mark.parametrize(
    ("change", "code"),
    [({}, 0), ({"seccomp": False}, 1), ({"namespaces": Namespaces(reason="no")}, 0), ({"landlock_abi": 0}, 1)],
)
@pytest.mark.parametrize("form", ["table", "json"])
def test_exit_code_says_whether_a_sandbox_works(monkeypatch, tmp_path, capsys, change, code, form):
    """What stops every sandbox means 1, a warning does not; the JSON is as documented."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(facts, "host", lambda: HOST.replace(**change))
    monkeypatch.setattr(launched, "launch", lambda **_: launched.Launched(0))
    monkeypatch.setattr(everything.Hardware, "checks", lambda _self, *, launch: [check("gpu.none", "gpu", "none")])
    assert code == doctor.doctor(argparse.Namespace(output=form, gpu=None, cdi_spec_dirs=[]))
    shown = capsys.readouterr().out
    if form == "json":
        found = json.loads(shown)
        assert ["schema", "works", "gpu_works", "checks"] == list(found)
        assert "pyopenshell.doctor/1" == found["schema"]
        assert (code == 0, None) == (found["works"], found["gpu_works"])
        assert SHAPE == list(found["checks"][0])
        assert ("sandbox.ok" in [row["code"] for row in found["checks"]]) == (code == 0)
    else:
        assert ("A sandbox works here." in shown) == (code == 0)


@pytest.mark.parametrize(
    ("found", "asked", "answer"),
    [
        (["gpu.none"], None, (0, True, None)),
        (["gpu.missing"], 1, (1, True, False)),
        (["gpu.ok", "gpu.node-ok"], None, (0, True, True)),
        (["gpu.ok", "gpu.node-ok"], 1, (0, True, True)),
        (["gpu.ok", "gpu.node-mode"], None, (0, True, False)),
        (["gpu.ok", "gpu.node-mode"], -1, (1, True, False)),
        (["gpu.ok", "gpu.node-mode"], 0, (0, True, False)),
        (["gpu.ok", "cdi.faults", "engine.config"], 1, (0, True, True)),
        (["gpu.ok", "driver.mismatch"], 1, (1, True, False)),
        (["gpu.ok", "landlock.missing"], 1, (1, False, False)),
    ],
)
def test_a_sandbox_with_a_gpu(monkeypatch, capsys, found, asked, answer):
    """High findings stop a sandbox with a GPU and no other; they count for the exit code where one was asked for."""
    monkeypatch.setattr(everything, "checks", lambda *_: [check(code, "x", "seen") for code in found])
    code = doctor.doctor(argparse.Namespace(output="json", gpu=asked, cdi_spec_dirs=[]))
    shown = json.loads(capsys.readouterr().out)
    assert answer == (code, shown["works"], shown["gpu_works"])
    doctor.doctor(argparse.Namespace(output="table", gpu=asked, cdi_spec_dirs=[]))
    last = capsys.readouterr().out.splitlines()[-1]
    assert answer[1] == last.startswith("A sandbox works here.")
    assert (answer[1] and answer[2] is not None) == ("One with a GPU" in last)
    assert (answer[1] and answer[2] is False) == ("does not" in last)


def test_a_sandbox_that_fails(monkeypatch, capsys, tmp_path):
    """Where all parts work and a sandbox does not, that is what decides, with the command's own error and hint."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(facts, "host", lambda: HOST)
    error = {"code": "launch.failed", "message": "mounts: Operation not permitted", "hint": "try another one"}
    monkeypatch.setattr(launched, "launch", lambda **_: launched.Launched(125, error))
    monkeypatch.setattr(everything.Hardware, "checks", lambda _self, *, launch: [])
    assert 1 == doctor.doctor(argparse.Namespace(output="table", gpu=None, cdi_spec_dirs=[]))
    shown = capsys.readouterr().out
    assert "mounts: Operation not permitted [launch.failed]" in shown
    assert "fail a sandbox [sandbox.failed]: try another one\n    $ openshell run -- true\n" in shown
    assert shown.endswith("No sandbox works here: see what failed above.\n")


def test_a_sandbox_that_cannot_be_tried(monkeypatch, capsys, tmp_path):
    """Where nothing could be started, that says nothing against sandboxes: the answer is yes, with that in words."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(facts, "host", lambda: HOST)
    monkeypatch.setattr(launched, "launch", lambda **_: launched.Launched(125, untried="/x: gone"))
    monkeypatch.setattr(everything.Hardware, "checks", lambda _self, *, launch: [check("gpu.ok", "gpu", "1")])
    assert 0 == doctor.doctor(argparse.Namespace(output="table", gpu=None, cdi_spec_dirs=[]))
    shown = capsys.readouterr().out
    assert "not tried: /x: gone" in shown
    assert "\nwarn a sandbox [sandbox.untried]: " in shown
    assert shown.endswith("\nA sandbox should work here: none could be tried.\n")


def test_a_group_that_fails_is_a_finding(monkeypatch):
    """A defect in one group of checks is told, and the others' findings are kept."""

    def broken(_self):
        raise ZeroDivisionError("odd")

    monkeypatch.setattr(everything.Hardware, "_cgroups", broken)
    monkeypatch.setattr(everything.Hardware, "_engines", lambda _self: [check("engine.none", "engines", "none")])
    found = {row.code: row for row in everything.Hardware(Roots()).checks(launch=False)}
    assert ("cgroup", "ZeroDivisionError: odd") == (found["doctor.untried"].name, found["doctor.untried"].evidence)
    assert "engine.none" in found


def test_severities_and_status():
    """A code's severity is one of the table's; the status follows from it, and only what fails stops a sandbox."""
    assert ("fail", "High") == (check("gpu.node-mode", "x", "s").status, check("gpu.node-mode", "x", "s").severity)
    assert "warn" == check("gpu.node-mode", "x", "s", severity="Low").status
    with pytest.raises(ValueError, match="never Critical"):
        check("gpu.node-mode", "x", "s", severity="Critical")
    assert len(codes.CODES) == len(codes.BY_CODE)
    assert set(codes.GROUPS) == {code.group for code in codes.CODES}
    assert all(code.meaning.endswith(".") and code.severities for code in codes.CODES)
    critical = {code.group for code in codes.CODES if codes.CRITICAL in code.severities}
    assert {"kernel", "process"} == critical
    high = {code.group for code in codes.CODES if codes.HIGH in code.severities}
    assert set(codes.GPU_GROUPS) - {"cdi"} == high


def test_what_to_do_comes_worst_first_and_once(capsys):
    """Advice that several findings share is printed once, with all their names; fine findings get none."""
    found = [
        check("engine.config", "docker", "bad", "mend it"),
        check("gpu.node-mode", "/dev/a", "EACCES", "join the group", ("usermod",)),
        check("gpu.node-mode", "/dev/b", "EACCES", "join the group", ("usermod",)),
        check("landlock.ok", "landlock", "ABI 7", "not told"),
    ]
    view.tell(found, works=True, gpu_works=False, gpu=False)
    shown = capsys.readouterr().out
    told = shown[shown.index("fail /dev/a, ") :].splitlines()
    node, step, config = "fail /dev/a, /dev/b [gpu.node-mode]", "    $ usermod", "warn docker [engine.config]"
    assert [f"{node}: join the group", step, f"{config}: mend it", ""] == told[:4]
    assert "not told" not in shown


def test_many_nodes_share_a_row(capsys):
    """More than three device nodes with the same fault are one row; findings of another kind stand alone."""
    same = [check("gpu.node-dead", f"/dev/nvidia{number}", "ENXIO") for number in range(8)]
    apart = [check("namespace.ok", f"{kind} namespace", "made") for kind in ("mount", "pid", "net", "ipc")]
    view.tell([*apart, *same[:3]], works=True, gpu_works=None, gpu=False)
    assert 3 == capsys.readouterr().out.count("/dev/nvidia")
    view.tell([*apart, *same], works=True, gpu_works=None, gpu=False)
    rows = capsys.readouterr().out.splitlines()
    assert 4 == sum(row.split()[1:2] == ["namespace"] for row in rows)
    (row,) = [row for row in rows if "/dev/nvidia" in row]
    assert row.startswith("8 nodes")
    assert row.endswith("/dev/nvidia6, /dev/nvidia7")


def test_nodes_that_are_right_share_a_row(capsys):
    """Wherever they stand among others, what needs no look takes one row."""
    found = [check(f"gpu.node-{what}", f"/dev/{what}{n}", "seen") for n in range(2) for what in ("ok", "mode")]
    view.tell(found, works=True, gpu_works=None, gpu=False)
    rows = capsys.readouterr().out.splitlines()[1:4]
    assert ["2 nodes", "/dev/mode0", "/dev/mode1"] == [row[:10].strip() for row in rows]
    assert rows[0].endswith("/dev/ok0, /dev/ok1")


def test_quiet_codes_are_only_in_the_document(capsys):
    """What is not here and not needed does not stand in the table; the document has it."""
    found = [check("engine.none", "engines", "none"), check("gpu.none", "gpu", "no device nodes")]
    view.tell(found, works=True, gpu_works=None, gpu=False)
    assert "ENGINES" not in capsys.readouterr().out
    assert ["engine.none", "gpu.none"] == [
        row["code"] for row in view.document(found, works=True, gpu_works=None)["checks"]
    ]


def test_state_folder_that_cannot_be_used(monkeypatch, tmp_path):
    """A file where the state folder should be fails, with the place and what to do; nothing is left in a good one."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert "ok" == process._state().status
    assert [] == os.listdir(tmp_path / "openshell")
    (tmp_path / "openshell").rmdir()
    (tmp_path / "openshell").write_text("")
    row = process._state()
    assert "fail" == row.status
    assert str(tmp_path) in row.evidence
    assert row.hint


def test_interpreter_behind_a_closed_folder():
    """The first folder that others may not enter is named; without one, none."""
    with tempfile.TemporaryDirectory(dir="/tmp") as root:
        os.chmod(root, 0o755)
        os.makedirs(f"{root}/home/env")
        os.chmod(f"{root}/home", 0o711)
        os.chmod(f"{root}/home/env", 0o755)
        assert process.closed_to_others(f"{root}/home/env") is None
        os.chmod(f"{root}/home", 0o700)
        assert f"{root}/home" == process.closed_to_others(f"{root}/home/env")


def test_no_home_folder(monkeypatch):
    """Where nothing says where records go, that is a finding too."""
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    monkeypatch.setattr(os, "geteuid", lambda: 61999)
    row = process._state()
    assert ("state.unusable", True) == (row.code, "XDG_STATE_HOME" in str(row.hint))
