"""The same message on different hosts: which of its causes it is, and that the text alone is enough without a host."""

from __future__ import annotations

import errno

import pytest

from pyopenshell.devices.cdi.codes import fault
from pyopenshell.devices.cdi.registry import Folder
from pyopenshell.devices.diagnosis import Surroundings, diagnose
from pyopenshell.devices.diagnosis.surroundings import Card, Setting
from pyopenshell.devices.host import Device

ASKED = "Error: setting up CDI devices: unresolvable CDI devices nvidia.com/gpu=1\n"
DOCKER = "docker: Error response from daemon: CDI device injection failed: unresolvable CDI devices nvidia.com/gpu=1.\n"
OFF = 'docker: Error response from daemon: could not select device driver "cdi" with capabilities: [].\n'
ETC, RUN = Folder("/etc/cdi", 0, 1), Folder("/var/run/cdi", 0, 0)
NODES = (Device("/dev/nvidiactl", "control", "nvidia"), Device("/dev/nvidia0", "gpu", "nvidia"))
GOOD = Surroundings((ETC, RUN), (), ("nvidia.com/gpu=0", "nvidia.com/gpu=all"), NODES, "570.169")
CARD = (Card("0000:01:00.0", "nvidia"),)


def told(text, here):
    """Codes of the causes, in their order."""
    return [cause.code for cause in diagnose(text, here)]


def missing(*paths, error=errno.ENOENT):
    return tuple(Folder(path, error, 0) for path in paths)


def test_without_a_host_the_text_alone_counts():
    """A library may not know the host: then the general cause stands."""
    assert ["cdi.unresolvable"] == [cause.code for cause in diagnose(ASKED)]


UNRESOLVABLE = {
    "no folder": (GOOD.replace(folders=missing("/etc/cdi", "/var/run/cdi"), names=()), ["cdi.folder-missing"]),
    "no file": (GOOD.replace(folders=(ETC.replace(files=0), RUN), names=()), ["cdi.folder-empty"]),
    "one folder, no file": (
        GOOD.replace(folders=(*missing("/etc/cdi"), RUN), names=()),
        ["cdi.folder-empty"],
    ),
    "a closed folder": (
        GOOD.replace(folders=missing("/etc/cdi", error=errno.EACCES), names=()),
        ["cdi.folder-unreadable"],
    ),
    "a refused spec": (
        GOOD.replace(faults=(fault("syntax", "no YAML", file="/etc/cdi/x.yaml", line=2),), names=()),
        ["cdi.spec-refused"],
    ),
    "a refused spec beside a good one": (
        GOOD.replace(faults=(fault("syntax", "no YAML", file="/etc/cdi/x.yaml", line=2),)),
        ["cdi.unknown-device", "cdi.spec-refused"],
    ),
    "stale specs are not refused": (
        GOOD.replace(faults=(fault("node-missing", "/dev/nvidia1 is not here", file="/etc/cdi/x.yaml", line=9),)),
        ["cdi.unknown-device"],
    ),
    "another name": (GOOD, ["cdi.unknown-device"]),
    "it is there": (GOOD.replace(names=("nvidia.com/gpu=1",)), ["cdi.name-is-there"]),
    "no nodes": (
        GOOD.replace(folders=missing("/etc/cdi"), names=(), devices=(), driver=None, cards=CARD),
        ["gpu.nodes-missing", "cdi.folder-missing"],
    ),
    "no GPU": (
        GOOD.replace(folders=missing("/etc/cdi"), names=(), devices=(), driver=None),
        ["gpu.no-hardware", "cdi.folder-missing"],
    ),
    "only control nodes": (
        GOOD.replace(devices=NODES[:1], cards=CARD),
        ["cdi.unknown-device", "gpu.nodes-missing"],
    ),
    "another vendor's nodes": (
        GOOD.replace(
            devices=(Device("/dev/dri/renderD128", "gpu", "amd"),), cards=(*CARD, Card("0000:02:00.0", "amd"))
        ),
        ["cdi.unknown-device", "gpu.nodes-missing"],
    ),
    "nothing looked at": (Surroundings(devices=NODES), ["cdi.unresolvable"]),
}


@pytest.mark.parametrize("case", UNRESOLVABLE)
def test_why_a_name_does_not_resolve(case):
    """The host says which it is: no folder, no file, refused, another name, there by now, or no device at all."""
    here, expected = UNRESOLVABLE[case]
    assert expected == told(ASKED, here)
    assert expected == [code.removeprefix("docker.").replace("cdi-un", "cdi.un") for code in told(DOCKER, here)]
    causes = diagnose(ASKED, here)
    assert {"cdi.unresolvable"} == {cause.symptom for cause in causes}
    assert {("nvidia.com/gpu=1",)} == {cause.names for cause in causes}


def test_a_refused_spec_is_named_with_its_line_and_mend():
    """File, line and what mends it come from the linter; the mend is the first step, with its place."""
    (cause,) = diagnose(ASKED, UNRESOLVABLE["a refused spec"][0])
    assert ("/etc/cdi/x.yaml:2: no YAML",) == cause.seen
    assert "/etc/cdi/x.yaml:2: correct the line" == cause.steps[0]
    assert any("openshell gpu lint" in step for step in cause.steps)


def test_the_names_that_there_are():
    """An unknown name is answered with those there are; a misspelled one with the one that was meant."""
    (cause,) = diagnose(ASKED, GOOD)
    assert ("no spec has nvidia.com/gpu=1", "there are nvidia.com/gpu=0, nvidia.com/gpu=all") == cause.seen
    (cause,) = diagnose("unresolvable CDI devices nvidia.com/gpus=all", GOOD)
    assert "Did you mean nvidia.com/gpu=all?" == cause.steps[0]


def test_a_file_that_is_passed_over_is_told():
    """Where there seems to be no spec, one with another ending is said."""
    passed = (fault("ending", "engines pass over nvidia.yml", file="/etc/cdi/nvidia.yml"),)
    here = GOOD.replace(folders=(ETC.replace(files=0), RUN), names=(), faults=passed)
    (cause,) = diagnose(ASKED, here)
    assert "/etc/cdi/nvidia.yml: engines pass over nvidia.yml" in cause.seen


def test_a_name_that_is_there_for_root_alone():
    """A rootless engine may not read what root reads: the modes are said, and the chmod is a step."""
    modes = (fault("mode", "ordinary users cannot read it", "chmod a+r /etc/cdi/x.yaml", file="/etc/cdi/x.yaml"),)
    (cause,) = diagnose(ASKED, GOOD.replace(names=("nvidia.com/gpu=1",), faults=modes))
    assert ("cdi.name-is-there", "chmod a+r /etc/cdi/x.yaml") == (cause.code, cause.steps[0])


def test_other_folders_and_cdi_off():
    """The name resolves here, and the engine that spoke is set to other folders, or off; others do not count."""
    there = GOOD.replace(names=("nvidia.com/gpu=1",))
    docker = Setting("docker", "/usr/bin/dockerd", None, "", "28.2", ("/opt/cdi",))
    (cause,) = diagnose(DOCKER, there.replace(settings=(docker,)))
    assert "cdi.other-folders" == cause.code
    assert "docker reads its specs from /opt/cdi" in cause.seen
    assert "--output=/opt/cdi/nvidia.yaml" in cause.steps[0]
    same = docker.replace(folders=("/etc/cdi",))
    assert ["cdi.name-is-there"] == told(DOCKER, there.replace(settings=(same,)))
    off = docker.replace(cdi=False, said="features.cdi in /etc/docker/daemon.json")
    assert ["cdi.switched-off"] == told(DOCKER, there.replace(settings=(off,)))
    podman = docker.replace(engine="podman")
    assert ["cdi.name-is-there"] == told(DOCKER, there.replace(settings=(podman,)))


def test_docker_without_cdi():
    """Whether the daemon's file switches CDI off, leaves it to the version, or says it is on."""
    docker = Setting("docker", "/usr/bin/dockerd", False, "features.cdi in /etc/docker/daemon.json", "28.2")
    (cause,) = diagnose(OFF, GOOD.replace(settings=(docker,)))
    assert ("cdi.switched-off", ("features.cdi in /etc/docker/daemon.json is false",)) == (cause.code, cause.seen)
    (cause,) = diagnose(OFF, GOOD.replace(settings=(docker.replace(cdi=None),)))
    assert "cdi.off" == cause.code
    assert "no file of Docker's sets features.cdi; CDI is on by itself from Docker 28.2" == cause.seen[0]
    (cause,) = diagnose(OFF, GOOD.replace(settings=(docker.replace(cdi=True),)))
    assert "is true" in cause.seen[0]
    closed = docker.replace(cdi=None, unreadable=("/etc/docker/daemon.json",))
    (cause,) = diagnose(OFF, GOOD.replace(settings=(closed,)))
    assert "/etc/docker/daemon.json cannot be read by you" in cause.seen[0]
    broken = docker.replace(cdi=None, invalid=(("/etc/docker/daemon.json", "Expecting ',' delimiter: line 3"),))
    (cause,) = diagnose(OFF, GOOD.replace(settings=(broken,)))
    assert (
        "/etc/docker/daemon.json is broken, so nothing in it counts: Expecting ',' delimiter: line 3" == cause.seen[0]
    )
    assert cause.steps[0].startswith("Mend /etc/docker/daemon.json")
    assert ["cdi.off"] == told(OFF, GOOD)


def test_three_that_look_alike_are_told_apart():
    """CDI configured without spec files, CDI off, and no device are three answers."""
    empty = GOOD.replace(folders=(ETC.replace(files=0), RUN), names=())
    gone = GOOD.replace(devices=(), driver=None, cards=CARD)
    answers = told(ASKED, empty), told(OFF, GOOD), told(ASKED, gone)
    assert (["cdi.folder-empty"], ["cdi.off"], ["cdi.unknown-device", "gpu.nodes-missing"]) == answers


def test_a_missing_node_is_looked_for():
    """A node that a spec names: whether it is here now, and which driver runs."""
    text = 'failed to stat CDI host device "/dev/nvidia-uvm": no such file or directory\n'
    (cause,) = diagnose(text, GOOD)
    assert ("/dev/nvidia-uvm is not here", "NVIDIA's driver 570.169 runs; /dev/nvidia0") == cause.seen
    uvm = Device("/dev/nvidia-uvm", "control", "nvidia")
    (cause,) = diagnose(text, GOOD.replace(devices=(*NODES, uvm)))
    assert "/dev/nvidia-uvm is here now" == cause.seen[0]
    assert cause.steps[0].startswith("Load what makes the NVIDIA nodes")
    (cause,) = diagnose(text.replace("-uvm", "5"), GOOD)
    assert cause.steps[0].startswith("Write the spec again")
    bare = GOOD.replace(devices=(), driver=None, cards=CARD)
    assert "sudo nvidia-modprobe" in diagnose(text.replace("-uvm", "5"), bare)[0].steps[0]
    assert ["cdi.node-missing", "gpu.nodes-missing"] == told(text, bare)


def test_a_driver_that_runs_after_all():
    """nvidia-smi's failure in a container on a host whose driver runs, and on one without a GPU."""
    text = "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\n"
    (cause,) = diagnose(text, GOOD)
    assert ("NVIDIA's driver 570.169 runs; /dev/nvidia0",) == cause.seen
    assert ["driver.smi-failed", "gpu.no-hardware"] == told(text, GOOD.replace(devices=(), driver=None))


def test_files_that_the_linter_misses_too():
    """A library that a spec names and that is gone: the linter's line comes with it."""
    text = "failed to fulfil mount request: open /usr/lib/libcuda.so.535.1: no such file or directory\n"
    stale = (fault("mount-missing", "/usr/lib/libcuda.so.535.1 is not here", file="/etc/cdi/x.yaml", line=40),)
    (cause,) = diagnose(text, GOOD.replace(faults=stale))
    assert "/etc/cdi/x.yaml:40: /usr/lib/libcuda.so.535.1 is not here" == cause.seen[0]
    text = (
        "Error: crun: cannot stat `/srv/data`: No such file or directory: OCI runtime attempted to invoke a command\n"
    )
    (cause,) = diagnose(text, GOOD.replace(faults=stale))
    assert ("engine.mount-missing", "possible") == (cause.code, cause.certainty)
    own = stale[0].replace(message="/srv/data is not here")
    (cause,) = diagnose(text, GOOD.replace(faults=(*stale, own)))
    assert ("cdi.mount-missing", "/etc/cdi/x.yaml:40: /srv/data is not here") == (cause.code, cause.seen[0])


def test_many_names_are_cut():
    """Of sixteen GPUs a few are named, and how many more there are."""
    names = tuple(f"nvidia.com/gpu={number}" for number in range(20, 36))
    (cause,) = diagnose(ASKED, GOOD.replace(names=names))
    assert cause.seen[1].endswith("and 8 more")


def test_other_vendors_need_no_gpu_of_ours():
    """A CDI device of somebody else's is not explained by a missing GPU."""
    assert ["cdi.unknown-device"] == told("unresolvable CDI devices example.com/nic=3", GOOD.replace(devices=()))


def test_every_conclusion_is_a_row():
    """Rows without a text are all reached by these cases."""
    from pyopenshell.devices.diagnosis.catalogue import ROWS

    reached = {code for here, _expected in UNRESOLVABLE.values() for code in told(ASKED, here)}
    reached |= {"cdi.other-folders", "cdi.switched-off"}
    assert {row.code for row in ROWS if not row.patterns} <= reached
