"""``doctor`` says what fails and what to do; and only a host where a sandbox works gets exit code 0."""

from __future__ import annotations

import argparse
import errno
import json
import os
import tempfile

import pytest

from pyopenshell.cli import doctor
from pyopenshell.devices.host import Device, Host, Namespaces
from pyopenshell.launch import facts

HOST = Host(
    release="6.18.0",
    architecture="x86_64",
    landlock_abi=7,
    namespaces=Namespaces(False, True, True, True, True, None),
    devices=(Device("/dev/nvidiactl", "control", "nvidia"),),
)


def rows(host):
    """Return the checks about the kernel, by name."""
    return {check.name: check for check in doctor._kernel(host)}


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
        ({}, "gpu", "ok", "/dev/nvidiactl"),
        ({"devices": ()}, "gpu", "ok", "--gpu 0 works"),
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
    monkeypatch.setattr(doctor, "_setting", settings.get)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    made, closed = HOST, HOST.replace(namespaces=Namespaces(reason="user namespace: EPERM"))
    assert "user namespace" not in {check.name for check in doctor._namespaces(made)}
    found = [check for check in doctor._namespaces(closed) if check.name == "user namespace"]
    assert seen == [str(check.hint).rpartition("sysctl ")[2] for check in found]
    assert all(check.status == "warn" and " is " in check.evidence for check in found)


@pytest.mark.parametrize(
    ("scope", "seen"), [(None, "not in this kernel"), ("1", "ptrace_scope 1: a process may trace its own descendants")]
)
def test_yama(monkeypatch, scope, seen):
    """What the scope means is said in words."""
    monkeypatch.setattr(doctor, "_setting", {doctor.YAMA: scope}.get)
    assert seen in doctor._yama().evidence


@pytest.mark.parametrize(
    ("change", "code"),
    [({}, 0), ({"seccomp": False}, 1), ({"namespaces": Namespaces(reason="no")}, 0), ({"landlock_abi": 0}, 1)],
)
@pytest.mark.parametrize("form", ["table", "json"])
def test_exit_code_says_whether_a_sandbox_works(monkeypatch, tmp_path, capsys, change, code, form):
    """A failure means 1, a warning does not; the hint of everything that is not right is printed."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(facts, "host", lambda: HOST.replace(**change))
    assert code == doctor.doctor(argparse.Namespace(output=form))
    shown = capsys.readouterr().out
    if form == "json":
        found = json.loads(shown)
        assert (code == 0) == found["works"]
        assert ["name", "status", "evidence", "hint"] == list(found["checks"][0])
    else:
        assert ("A sandbox works here." in shown) == (code == 0)


def test_state_folder_that_cannot_be_used(monkeypatch, tmp_path):
    """A file where the state folder should be fails, with the place and what to do; nothing is left in a good one."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert "ok" == doctor._state().status
    assert [] == os.listdir(tmp_path / "openshell")
    (tmp_path / "openshell").rmdir()
    (tmp_path / "openshell").write_text("")
    row = doctor._state()
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
        assert doctor._closed_to_others(f"{root}/home/env") is None
        os.chmod(f"{root}/home", 0o700)
        assert f"{root}/home" == doctor._closed_to_others(f"{root}/home/env")
