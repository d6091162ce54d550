"""Looking at a host: a root of the test's own, with specs, devices, a PCI bus and engines' files."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from pyopenshell.devices.diagnosis.look import look_around
from pyopenshell.devices.diagnosis.surroundings import Card, Surroundings

SPEC = """\
cdiVersion: "0.5.0"
kind: nvidia.com/gpu
devices:
- name: "0"
  containerEdits:
    env: [A=b]
- name: all
  containerEdits:
    env: [A=b]
"""
ENVIRON = {"PATH": "/usr/bin"}


@pytest.fixture
def look(tmp_path):
    """Make files beneath a root, then look at it."""

    def look(files=(), programs=(), environ=ENVIRON, folders=()) -> Surroundings:
        for path, text in dict(files).items():
            target = tmp_path / path.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
        for name in programs:
            program = tmp_path / "usr/bin" / name
            program.parent.mkdir(parents=True, exist_ok=True)
            program.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n", encoding="utf-8")
            program.chmod(0o755)
        roots = {name: str(tmp_path / name.removesuffix("_root")) for name in ("dev_root", "proc_root", "sys_root")}
        found = look_around(folders, environ, root=str(tmp_path), **roots)
        assert not (tmp_path / "started").exists(), "a program was run"
        return found

    return look


def test_an_empty_host(look, tmp_path):
    """Nothing there is nothing found, and no error."""
    found = look()
    assert [f"{tmp_path}/etc/cdi", f"{tmp_path}/var/run/cdi"] == [folder.path for folder in found.folders]
    assert (0, 0) == tuple(folder.files for folder in found.folders)
    assert ((), (), None, (), ()) == (found.names, found.devices, found.driver, found.cards, found.settings)


def test_specs(look, tmp_path):
    """Names that resolve, how many files a folder has, and faults with their lines."""
    found = look({"etc/cdi/nvidia.yaml": SPEC, "var/run/cdi/broken.yaml": "a: b: c\n"})
    assert ("nvidia.com/gpu=0", "nvidia.com/gpu=all") == found.names
    assert [1, 1] == [folder.files for folder in found.folders]
    assert [(f"{tmp_path}/var/run/cdi/broken.yaml", "cdi.syntax", 1)] == [
        (fault.file, fault.code, fault.line) for fault in found.faults if fault.severity == "error"
    ]


def test_what_is_known_of_specs_that_cannot_be_used(look, tmp_path):
    """The kind of a refused spec, as YAML or JSON or nearly so, and the devices that two specs define."""
    found = look(
        {
            "etc/cdi/a.yaml": SPEC,
            "etc/cdi/b.yaml": SPEC,
            "etc/cdi/c.yaml": SPEC.replace("nvidia.com", "intel.com").replace("env:", "enw:"),
            "etc/cdi/d.json": '{"cdiVersion": "0.5.0",\n "kind": "amd.com/gpu", "devices": [}',
            "etc/cdi/e.yaml": "a: b: c\n",
        }
    )
    folder = f"{tmp_path}/etc/cdi"
    assert ((f"{folder}/c.yaml", "intel.com/gpu"), (f"{folder}/d.json", "amd.com/gpu")) == found.kinds
    assert ["nvidia.com/gpu=0", "nvidia.com/gpu=all"] == [conflict.name for conflict in found.conflicts]
    assert ((f"{folder}/a.yaml", 4), (f"{folder}/b.yaml", 4)) == found.conflicts[0].places


def test_a_broken_file_of_an_engine(look):
    """A daemon.json that is no JSON is told as that, with what is wrong."""
    (setting,) = look({"etc/docker/daemon.json": '{"features": {"cdi": false}'}, ("docker",)).settings
    assert (None, "/etc/docker/daemon.json") == (setting.cdi, setting.invalid[0][0])
    assert "delimiter" in setting.invalid[0][1]


def test_folders_of_ones_own(look, tmp_path):
    """Given folders, and those of the variable, stand for the standard ones."""
    look({"mine/nvidia.yaml": SPEC})
    for found in (
        look(folders=[f"{tmp_path}/mine"]),
        look(environ=ENVIRON | {"OPENSHELL_CDI_SPEC_DIRS": f"{tmp_path}/mine"}),
    ):
        assert [f"{tmp_path}/mine"] == [folder.path for folder in found.folders]
        assert found.names


def test_devices_and_driver(look, tmp_path):
    """Device nodes, the driver's version, and GPUs on the PCI bus that have no driver."""
    (tmp_path / "dev").mkdir()
    try:
        os.mknod(tmp_path / "dev/nvidia0", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("needs: CAP_MKNOD")
    version = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.169  Release Build\n"
    pci = "sys/bus/pci/devices"
    found = look(
        {
            "proc/driver/nvidia/version": version,
            f"{pci}/0000:01:00.0/vendor": "0x10de\n",
            f"{pci}/0000:01:00.0/class": "0x030200\n",
            f"{pci}/0000:01:00.1/vendor": "0x10de\n",
            f"{pci}/0000:01:00.1/class": "0x040300\n",
            f"{pci}/0000:02:00.0/vendor": "0x1002\n",
            f"{pci}/0000:02:00.0/class": "0x120000\n",
            f"{pci}/0000:03:00.0/vendor": "0x8086\n",
            f"{pci}/0000:03:00.0/class": "0x030000\n",
        }
    )
    assert ([f"{tmp_path}/dev/nvidia0"], "570.169") == ([device.path for device in found.devices], found.driver)
    assert (Card("0000:01:00.0", "nvidia"), Card("0000:02:00.0", "amd")) == found.cards


CONTAINERD = 'version = 3\n[plugins."io.containerd.cri.v1.runtime"]\nenable_cdi = true\ncdi_spec_dirs = ["/opt/cdi"]\n'


def test_engines_by_their_files(look):
    """What engines are set to is read, of those that are installed; no program is run."""
    found = look(
        {
            "etc/docker/daemon.json": '{"features": {"cdi": false}, "cdi-spec-dirs": ["/etc/cdi", "/srv/cdi"]}',
            "etc/containerd/config.toml": CONTAINERD,
            "etc/crio/crio.conf": '[crio.runtime]\ncdi_spec_dirs = ["/etc/crio/cdi"]\n',
        },
        ("docker", "containerd", "podman"),
    )
    settings = {setting.engine: setting for setting in found.settings}
    assert {"docker", "containerd", "podman"} == set(settings)
    assert (False, ("/etc/cdi", "/srv/cdi")) == (settings["docker"].cdi, settings["docker"].folders)
    assert "daemon.json" in settings["docker"].said
    assert (True, ("/opt/cdi",)) == (settings["containerd"].cdi, settings["containerd"].folders)
    assert (None, ()) == (settings["podman"].cdi, settings["podman"].folders)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"cdi-spec-dirs": "/etc/cdi"}', '{"cdi-spec-dirs": [1, null]}', "\0", '"' * 9, "[" * 100_000],
)
def test_nonsense_in_a_file_says_nothing(look, text):
    """Files that are no JSON or TOML, or of another shape, are no error."""
    files = {"etc/docker/daemon.json": text, "etc/containerd/config.toml": text}
    found = look(files, ("docker", "containerd"))
    assert [(None, ()), (None, ())] == [(setting.cdi, setting.folders) for setting in found.settings]


def test_a_pipe_for_a_file(look, tmp_path):
    """A configuration that is no file is not waited for."""
    Path(tmp_path / "etc/docker").mkdir(parents=True)
    os.mkfifo(tmp_path / "etc/docker/daemon.json")
    (setting,) = look(programs=("docker",)).settings
    assert () == setting.folders
