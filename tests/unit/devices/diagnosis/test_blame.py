"""What is blamed: specs of the kind that was asked for, on the host that the text is from, with its vendor's tools."""

from __future__ import annotations

import errno

import pytest

from pyopenshell.devices.cdi.codes import fault
from pyopenshell.devices.cdi.lookup import Conflict
from pyopenshell.devices.cdi.registry import Folder
from pyopenshell.devices.diagnosis import Surroundings, diagnose
from pyopenshell.devices.diagnosis.surroundings import Setting
from pyopenshell.devices.host import Device
from tests.unit.devices.diagnosis.prefixes import REFRESH
from tests.unit.devices.diagnosis.texts import SAMPLES

ASKED = "Error: setting up CDI devices: unresolvable CDI devices nvidia.com/gpu=9\n"
POD = SAMPLES["k8s.cdi-unresolvable"][0]
FIELD = (
    REFRESH + 'failed to load CDI Spec: failed to parse CDI Spec \\"/etc/cdi/nvidia.yaml\\": failed to unmarshal CDI'
    ' Spec: error unmarshaling JSON: while decoding JSON: json: unknown field \\"enw\\"\\n\\n"\n'
)
ETC, RUN = Folder("/etc/cdi", 0, 2), Folder("/var/run/cdi", 0, 0)
NONE = (Folder("/etc/cdi", errno.ENOENT), Folder("/var/run/cdi", errno.ENOENT))
NODES = (Device("/dev/nvidiactl", "control", "nvidia"), Device("/dev/nvidia0", "gpu", "nvidia"))
GOOD = Surroundings((ETC, RUN), (), ("nvidia.com/gpu=0", "nvidia.com/gpu=all"), NODES, "570.169")
KUBELET = Setting("kubelet", "/usr/bin/kubelet", None, "", "1.29")
NVIDIA, INTEL, JUNK = "/etc/cdi/nvidia.yaml", "/etc/cdi/intel.yaml", "/etc/cdi/a.yaml"


def wrong(file, line=2, code="unknown-field", message="no such field"):
    return fault(code, message, file=file, line=line)


def told(text, here):
    """Codes and certainties, in their order."""
    return [(cause.code, cause.certainty) for cause in diagnose(text, here)]


def test_another_vendors_broken_spec_is_no_reason():
    """The name is missing from good specs: that is certain, and a broken spec of another kind is only mentioned."""
    here = GOOD.replace(faults=(wrong(INTEL),), kinds=((INTEL, "intel.com/gpu"),))
    assert [("cdi.unknown-device", "certain"), ("cdi.spec-refused", "possible")] == told(ASKED, here)
    unknown, refused = diagnose(ASKED, here)
    assert "good" not in unknown.cause
    assert "none of these is a spec of nvidia.com/gpu" == refused.seen[-1]
    assert ("cdi.unknown-device", "certain") == told(ASKED, here.replace(names=()))[0]


@pytest.mark.parametrize(
    ("kinds", "names", "expected"),
    [
        (((NVIDIA, "nvidia.com/gpu"),), (), [("cdi.spec-refused", "certain")]),
        (
            ((NVIDIA, "nvidia.com/gpu"),),
            GOOD.names,
            [("cdi.spec-refused", "likely"), ("cdi.unknown-device", "likely")],
        ),
        (((NVIDIA, "nvidia.com/nic"),), (), [("cdi.spec-refused", "likely")]),
        ((), (), [("cdi.spec-refused", "likely")]),
        ((), GOOD.names, [("cdi.unknown-device", "likely"), ("cdi.spec-refused", "possible")]),
        ((), ("intel.com/gpu=0",), [("cdi.spec-refused", "likely"), ("cdi.unknown-device", "likely")]),
    ],
)
def test_how_certain_a_refused_spec_is(kinds, names, expected):
    """By its kind, where that can be told, and by whether another spec has devices of the kind."""
    assert expected == told(ASKED, GOOD.replace(faults=(wrong(NVIDIA),), kinds=kinds, names=names))


def test_a_clash_on_the_name_comes_before_all_junk():
    """Two specs that define the asked device are the reason, whatever else is broken; others' clashes are not."""
    junk = tuple(wrong(JUNK, line) for line in range(1, 18))
    clash = wrong("/etc/cdi/y.yaml", 4, "conflict", "device nvidia.com/gpu=9 is in /etc/cdi/x.yaml too, on line 5")
    places = (("/etc/cdi/x.yaml", 5), ("/etc/cdi/y.yaml", 4))
    here = GOOD.replace(faults=(*junk, clash), conflicts=(Conflict("nvidia.com/gpu=9", places),))
    (cause,) = diagnose(ASKED, here)
    assert ("cdi.conflict", "certain") == (cause.code, cause.certainty)
    assert ("nvidia.com/gpu=9 is in /etc/cdi/x.yaml:5, /etc/cdi/y.yaml:4",) == cause.seen
    assert "Remove /etc/cdi/x.yaml or /etc/cdi/y.yaml" == cause.steps[0]
    other = here.replace(faults=(clash,), conflicts=(Conflict("nvidia.com/gpu=7", places),))
    assert [("cdi.unknown-device", "certain")] == told(ASKED, other)


def test_one_files_faults_do_not_hide_those_of_another():
    """The spec of the asked kind is told first, and of each file only a few faults; each step has its place."""
    faults = (*(wrong(JUNK, line) for line in range(1, 10)), wrong(NVIDIA, 7, "bad-permissions", "permissions: x"))
    here = GOOD.replace(faults=faults, names=(), kinds=((NVIDIA, "nvidia.com/gpu"),))
    (cause,) = diagnose(ASKED, here)
    shown = (f"{NVIDIA}:7: permissions: x", *(f"{JUNK}:{line}: no such field" for line in (1, 2, 3)))
    assert (*shown, "and 6 more") == cause.seen
    assert (f"{NVIDIA}:7: write some of rwm", f"{JUNK}:1: remove it") == cause.steps[:2]


def test_what_the_engine_said_itself_is_not_told_twice():
    """Podman's own line about a spec takes up the line numbers of the linter; a spec it does not name stays."""
    here = GOOD.replace(faults=(wrong(NVIDIA, 6),), names=(), kinds=((NVIDIA, "nvidia.com/gpu"),))
    for text in (FIELD + ASKED, ASKED + FIELD):
        (cause,) = diagnose(text, here)
        assert ("cdi.unknown-field", (f"{NVIDIA}:6: no such field",)) == (cause.code, cause.seen)
        assert f"{NVIDIA}:6: remove it" == cause.steps[0]
    elsewhere = here.replace(faults=(wrong("/etc/cdi/other.yaml"),), kinds=())
    assert ["cdi.unknown-field", "cdi.spec-refused"] == [code for code, _certainty in told(FIELD + ASKED, elsewhere)]
    clash = SAMPLES["cdi.conflict"][0].replace("=all", "=9")
    places = (("/var/run/cdi/x.yaml", 5), ("/var/run/cdi/y.yaml", 4))
    here = GOOD.replace(conflicts=(Conflict("nvidia.com/gpu=9", places),))
    assert [("cdi.conflict", "certain")] == told(clash + ASKED, here)


def test_no_spec_at_all_is_doubted_where_the_engine_read_one():
    """The engine complains of a spec and no folder has one: it is another host, or other folders."""
    assert [("cdi.unknown-field", "certain"), ("cdi.folder-missing", "likely")] == told(
        FIELD + ASKED, GOOD.replace(folders=NONE, names=())
    )


def test_a_pods_failure_is_not_explained_by_a_laptop():
    """Without a kubelet this host is not the node: nothing here is a cause, no step is for here."""
    (cause,) = diagnose(POD, GOOD.replace(folders=NONE, names=()))
    assert ("k8s.cdi-unresolvable", "likely") == (cause.code, cause.certainty)
    assert cause.steps[0].startswith("On the node that ran the pod: ")
    assert all("node" in step for step in cause.steps if "nvidia-ctk" in step)
    said_so = "  Warning  Failed  3s  kubelet  Error: " + ASKED
    assert [("cdi.unresolvable", "possible")] == told(said_so, GOOD.replace(folders=NONE, names=()))


def test_a_device_plugins_log_is_not_explained_by_a_laptop():
    """What a device plugin says is of its node too, whatever words are around it."""
    log = "I0123 16:54:07.230000       1 main.go:287] No devices found. Waiting indefinitely.\n"
    laptop = GOOD.replace(devices=(), driver=None)
    assert [("k8s.plugin-no-devices", "likely")] == told(log, laptop)
    assert "gpu.no-hardware" in [code for code, _certainty in told(log, laptop.replace(settings=(KUBELET,)))]


def test_a_pods_failure_on_a_node():
    """With a kubelet here it may be the node: what is seen is told, likely at most, and under that condition."""
    causes = diagnose(POD, GOOD.replace(folders=NONE, names=(), settings=(KUBELET,)))
    assert ["k8s.cdi-unresolvable", "cdi.folder-missing"] == [cause.code for cause in causes]
    assert {"likely"} == {cause.certainty for cause in causes}
    assert "it counts only if this is the node that ran the pod" == causes[1].seen[0]


@pytest.mark.parametrize("host", ["none", "empty", "other", "nothing known"])
@pytest.mark.parametrize("text", [ASKED, SAMPLES["docker.cdi-unresolvable"][0]])
@pytest.mark.parametrize(("vendor", "tool"), [("amd.com", "amd-ctk"), ("intel.com", "intel-cdi"), ("a.org", "a.org's")])
def test_other_vendors_have_other_tools(vendor, tool, text, host):
    """Specs of other vendors are not made by NVIDIA's tool; nor is anything certain of them."""
    hosts = {
        "none": GOOD.replace(folders=NONE, names=()),
        "empty": GOOD.replace(folders=(RUN,), names=()),
        "other": GOOD,
        "nothing known": None,
    }
    causes = diagnose(text.replace("nvidia.com", vendor), hosts[host])
    steps = [step for cause in causes for step in cause.steps]
    assert not [step for step in steps if "nvidia" in step]
    assert any(tool in step for step in steps)
    assert all(cause.certainty != "certain" for cause in causes)


def test_other_vendors_and_other_folders():
    """Where the engine looks elsewhere, the spec of another vendor goes there, with no tool named for it."""
    docker = Setting("docker", "/usr/bin/dockerd", None, "", "28.2", ("/opt/cdi",))
    text = SAMPLES["docker.cdi-unresolvable"][0].replace("nvidia.com", "amd.com")
    (cause,) = diagnose(text, GOOD.replace(names=("amd.com/gpu=0",), settings=(docker,)))
    assert ("cdi.other-folders", "Put its spec into /opt/cdi") == (cause.code, cause.steps[0])
    assert not [step for step in cause.steps if "generate" in step]


def test_names_of_nvidias_device_plugin_are_nvidias():
    """k8s.device-plugin.nvidia.com is NVIDIA too."""
    text = ASKED.replace("nvidia.com", "k8s.device-plugin.nvidia.com")
    assert any("nvidia-ctk" in step for cause in diagnose(text, GOOD) for step in cause.steps)


def test_no_spec_is_made_without_a_gpu():
    """On a host without a GPU that comes first, and writing a spec is for the host that has one."""
    here = GOOD.replace(folders=NONE, names=(), devices=(), driver=None)
    assert [("gpu.no-hardware", "likely"), ("cdi.folder-missing", "likely")] == told(ASKED, here)
    steps = [step for cause in diagnose(ASKED, here) for step in cause.steps if "generate" in step]
    assert steps
    assert all(step.startswith("Where the GPU is, ") for step in steps)
    other = diagnose(ASKED, here.replace(folders=(ETC, RUN)))
    assert ["cdi.unknown-device", "gpu.no-hardware"] == [cause.code for cause in other]
    assert not [step for step in other[0].steps if step.count("here the GPU is") > 1]


def test_rootful_containers_are_thought_of():
    """no-cgroups is told with what it costs."""
    (cause,) = diagnose("nvidia-container-cli: mount error: bpf_prog_query(BPF_CGROUP_DEVICE) failed: denied\n")
    assert all("rootful" in step for step in cause.steps if "no-cgroups" in step)
    assert any("no-cgroups" in step for step in cause.steps)
