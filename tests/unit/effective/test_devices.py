"""Devices in an effective policy: binding, what yields, what is told before a launch and after a failure."""

import pytest

from pyopenshell.devices.cdi.model import DeviceNode, Edits, Hook, Mount
from pyopenshell.devices.host import Device
from pyopenshell.effective.aftermath import likely
from pyopenshell.effective.devices import report
from pyopenshell.effective.diff import compare
from pyopenshell.effective.load import from_dict
from pyopenshell.effective.model import Isolation
from pyopenshell.effective.settle import Outcome, settle
from pyopenshell.errors import GpuError
from tests.unit.devices import choices
from tests.unit.effective.cases import GPUS, ISOLATED, STATE, World, by_id, composed, findings

HOST = World(
    folders=["/usr/lib", "/driver", "/proc", "/home/me/project", "/opt/models", STATE],
    files=["/driver/libcuda.so", "/usr/lib/libother.so"],
    devices=["/dev/nvidia0", "/dev/other0", "/dev/nvidiactl"],
)


def node(path, host=None, **fields):
    return DeviceNode(path, host or path, **({"line": 12} | fields))


def given(*nodes, mounts=(), common=None, devices=(), **fields):
    """Compose a policy with a device of these edits."""
    edits = Edits(device_nodes=tuple(nodes), mounts=tuple(mounts))
    chosen = choices.by_spec(edits, common, devices)
    return composed(**({"chosen": chosen, "resolve": HOST.resolve} | fields))


def grant(effective, path):
    (found,) = [one for one in effective.grants if one.path == path and one.origin.kind == "cdi"]
    return found


def test_a_device_of_its_own_path():
    """A grant with the spec's file and line as origin, and no source."""
    found = grant(given(node("/dev/nvidia0")), "/dev/nvidia0")
    assert ("cdi/nvidia.com/gpu=0", choices.FILE, 12) == (str(found.origin), found.origin.file, found.origin.line)
    assert ("planned", None) == (found.status, found.source)
    assert "source" not in found.as_dict()


def test_another_path_is_shown():
    """The rule is about the path in the sandbox, there or not; the source is the host's."""
    found = grant(given(node("/dev/gpu", "/dev/other0")), "/dev/gpu")
    assert ("planned", "/dev/gpu", "/dev/other0") == (found.status, found.resolved, found.source)
    assert "/dev/other0" == found.as_dict()["source"]


@pytest.mark.parametrize(
    ("path", "host", "fields", "words"),
    [
        ("/dev/gpu", "/dev/other0", {"isolation": {**ISOLATED, "mount": Isolation("open", "none")}}, "mount namespace"),
        ("/dev/gpu", "/dev/gone", {}, "/dev/gone on the host: No such file"),
        ("/usr/lib", "/dev/other0", {}, "something else is in the way"),
        ("/usr/lib/libother.so/x", "/dev/other0", {}, "something else is in the way"),
        ("/opt/models/a/gpu", "/dev/other0", {"read_write": ["/opt/models"]}, "/opt/models (read_write, "),
        ("/home/me/project/gpu", "/dev/other0", {"include_workdir": True}, "/home/me/project (workdir) stays as it is"),
    ],
)
def test_what_cannot_be_shown(path, host, fields, words):
    """It is skipped, and says why."""
    found = grant(given(node(path, host), node("/dev/nvidia0"), **fields), path)
    assert ("skipped", None) == (found.status, found.source)
    assert words in (found.detail.message or "")


def test_two_files_at_one_path():
    """The first is shown, the second says what is there."""
    effective = given(node("/dev/gpu", "/dev/other0"), node("/dev/gpu", "/dev/nvidiactl"))
    first, second = (one for one in effective.grants if one.path == "/dev/gpu")
    assert ("planned", "skipped") == (first.status, second.status)
    assert "/dev/other0 is" in (second.detail.message or "")


def test_the_state_folder_is_shown_nowhere():
    """A spec that would show it at another path, or a folder around it, is dropped."""
    for host in (STATE, "/home/me"):
        effective = given(mounts=[Mount(host, "/opt/x", ("ro",))])
        assert "skipped" == grant(effective, "/opt/x").status
        assert findings(effective, "baseline.protected-folder")


def test_a_covered_file_is_shown_all_the_same(tmp_path):
    """A library beneath /usr needs no rule of its own, but a source; where showing it failed it is skipped."""
    library = tmp_path / "libcuda.so"
    library.touch()  # the kind of a file is the real host's
    world = World(folders=["/usr/lib", "/home/me/project"], files=[str(library)])
    effective = given(mounts=[Mount(str(library), "/usr/lib/libcuda.so", ("ro", "noexec"))], resolve=world.resolve)
    found = grant(effective, "/usr/lib/libcuda.so")
    assert ("covered", str(library)) == (found.status, found.source)
    outcomes = {one.id: Outcome(one.access) for one in effective.grants if one.status == "planned"}
    after = grant(settle(effective, outcomes | {found.id: Outcome(errno=7, unbound=True)}), "/usr/lib/libcuda.so")
    assert ("skipped", 7) == (after.status, after.detail.errno)
    assert "could not be shown there" in (after.detail.message or "")


def test_what_is_stored_is_read_back():
    """With devices, sources, variables, groups and hooks."""
    common = Edits(
        env=("A=b", "HOME=/x"), groups=(44, 0, 1000), hooks=(Hook("prestart", "/bin/x", ("x", "y"), line=3),)
    )
    effective = given(node("/dev/gpu", "/dev/other0"), common=common)
    again = from_dict(effective.as_dict())
    assert effective.devices == again.devices
    assert effective.digest == again.digest
    groups = {one.gid: one.status for one in effective.devices.groups}
    assert {44: "skipped", 0: "skipped", 1000: "member"} == groups
    variables = [(one.name, one.value, one.status) for one in effective.devices.env]
    assert [("A", "b", "set"), ("HOME", "/x", "skipped"), ("CUDA_VISIBLE_DEVICES", "GPU-1", "set")] == variables


def test_roots_group_is_never_joined():
    """Not even where any group could be."""
    chosen = choices.by_spec(Edits(groups=(0, 44, 45)))
    assert ["skipped", "member", "skipped"] == [one.status for one in report(chosen, (), lambda gid: gid != 45).groups]


def test_a_file_by_another_name_is_no_other_file():
    """Where the spec's two paths lead to one file nothing is shown elsewhere."""
    linked = World(folders=["/usr/lib", "/home/me/project"], files=["/usr/lib/x"]).link("/lib", "/usr/lib")
    found = grant(given(mounts=[Mount("/usr/lib/x", "/lib/x", ("ro", "noexec"))], resolve=linked.resolve), "/lib/x")
    assert (None, "/usr/lib/x") == (found.source, found.resolved)


def test_nothing_of_devices_where_none_are_asked_for():
    """The shape is as it was."""
    assert "devices" not in composed(include_workdir=True).as_dict()


def test_an_out_of_date_spec_is_one_finding_for_a_cause():
    """Paths that are missing are told together, with their lines; High where a device is among them."""
    gone = [Mount(f"/usr/lib/gone{index}", f"/usr/lib/gone{index}", ("ro",), line=20 + index) for index in range(7)]
    (files,) = findings(given(mounts=gone), "cdi.path-skipped")
    assert ("Medium", True) == (files.severity, "/usr/lib/gone0 (line 20)" in files.message)
    assert "and 2 more" in files.message
    (both,) = findings(given(node("/dev/nvidia9"), node("/dev/nvidia0"), mounts=gone), "cdi.path-skipped")
    assert ("High", True) == (both.severity, "/dev/nvidia9 (line 12)" in both.message)


@pytest.mark.parametrize(
    ("asked", "fields"),
    [
        (node("/dev/nvidia9"), {}),
        (node("/dev/gpu", "/dev/gone"), {}),
        (node("/dev/nvidia9"), {"compatibility": "hard_requirement"}),
    ],
)
def test_a_device_that_is_gone(asked, fields):
    """None of its own nodes is here: an error with the spec's line, and no sandbox that looks as if it had one."""
    with pytest.raises(GpuError) as caught:
        given(asked, **fields)
    assert ("gpu.device-gone", choices.FILE, 12) == (caught.value.code, caught.value.file, caught.value.line)


def test_a_device_that_is_kept_from_the_sandbox():
    """It is here: what keeps it is told, and the operator's business."""
    assert findings(given(node("/dev/nvidia0"), read_only=["/dev/nvidia0"]), "baseline.declared-read-only")
    bare = {**ISOLATED, "mount": Isolation("open", "none")}
    assert findings(given(node("/dev/gpu", "/dev/other0"), isolation=bare), "cdi.path-skipped")


def test_a_control_node_that_the_spec_leaves_out():
    """CUDA needs it, it is here, and nothing grants it: High, with the way to a new spec."""
    present = (Device("/dev/nvidiactl", "control", "nvidia"), Device("/dev/nvidia-uvm", "control", "nvidia"))
    effective = given(node("/dev/nvidia0"), node("/dev/nvidiactl"), devices=present)
    (told,) = findings(effective, "cdi.control-node-left-out")
    assert ("High", True, False) == (told.severity, "/dev/nvidia-uvm" in told.message, "nvidiactl" in told.message)


def test_weak_permissions_are_told():
    """A driver's libraries open for both; a spec that gives less is named, with its line."""
    (told,) = findings(given(node("/dev/nvidia0", permissions="r")), "cdi.weak-permissions")
    assert f"{choices.FILE}:12" in told.message


def test_a_proc_that_nothing_grants():
    """Then cuInit cannot read the driver's state."""
    nowhere = World(folders=["/usr", "/home/me/project"], devices=["/dev/nvidia0"])
    assert findings(given(node("/dev/nvidia0"), resolve=nowhere.resolve), "cuda.proc-unreadable")
    assert not findings(given(node("/dev/nvidia0")), "cuda.proc-unreadable")


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ((("CUDA_CACHE_PATH", "/run/openshell/cuda"),), False),
        ((("CUDA_CACHE_PATH", "/opt/models"),), True),
        ((("CUDA_CACHE_PATH", "relative"),), True),
        ((), True),
        ((("CUDA_CACHE_PATH", "/opt/models"), ("CUDA_CACHE_DISABLE", "1")), False),
    ],
)
def test_the_cache(environment, told):
    """Where CUDA would keep its kernels must be writable, unless it keeps none."""
    effective = composed(gpu=0, environment=environment, read_only=["/opt/models"])
    assert told is bool(findings(effective, "cuda.cache-unwritable"))


def test_shared_memory():
    """Without a mount namespace there is none, unless the host's is declared."""
    bare = {**ISOLATED, "mount": Isolation("open", "none")}
    assert findings(composed(gpu=0, isolation=bare), "cuda.no-shared-memory")
    assert not findings(composed(gpu=0, isolation=bare, read_write=["/dev/shm"]), "cuda.no-shared-memory")


def test_specs_that_others_write():
    """Whoever can change a spec chooses what the sandbox is given: strangers, and the sandbox itself."""
    chosen = choices.by_spec(Edits(device_nodes=(node("/dev/nvidia0"),)))
    exposed = chosen.replace(writable=((choices.FILE, "mode 0666: everybody can write it", "chmod go-w x"),))
    (told,) = findings(composed(chosen=exposed, resolve=HOST.resolve), "cdi.spec-writable")
    assert ("High", "chmod go-w x") == (told.severity, told.hint)
    within = World(folders=["/etc/cdi", "/home/me/project"], files=[choices.FILE], devices=["/dev/nvidia0"])
    (told,) = findings(composed(chosen=chosen, resolve=within.resolve, read_write=["/etc/cdi"]), "cdi.spec-in-reach")
    assert "policy.yaml:110" in told.message


GOOD, BAD = composed(gpu=-1, devices=GPUS), composed(gpu=-1, devices=GPUS, cuda_thread_names="off")
NEVER, ONCE = {"granted": 0, "passed": 3, "gone": 1}, {"granted": 2, "passed": 0}


@pytest.mark.parametrize(
    ("effective", "code", "signal", "broker", "words"),
    [
        (GOOD, 0, None, NEVER, ()),
        (GOOD, 1, None, NEVER, ()),
        (GOOD, 143, 15, NEVER, ()),
        (GOOD, 48, None, NEVER, ("error 304", "the broker was not asked")),
        (GOOD, 48, None, ONCE, ("error 304", "do not fit the driver")),
        (GOOD, 139, 11, NEVER, ("crashed", "the broker was not asked")),
        (GOOD, 139, 11, ONCE, ("crashed", "do not fit the driver")),
        (GOOD, 1, None, {"granted": 1, "other": 2}, ("if CUDA failed", "refused some of them (other 2)")),
        (BAD, 1, None, None, ("if CUDA failed", "cuda_thread_names: off")),
        (BAD, 48, None, None, ("error 304", "cuda_thread_names: off")),
        (BAD, 0, None, None, ()),
        (BAD, 143, 15, None, ()),
        (composed(cuda_thread_names="off"), 48, None, None, ()),
    ],
)
def test_the_likely_cause(effective, code, signal, broker, words):
    """Named only where something points to CUDA, from the findings and the broker's counts."""
    told = likely(effective, code, signal, broker)
    assert bool(words) is bool(told)
    assert [] == [word for word in words if word not in told[0]], told


def test_causes_are_ranked():
    """What certainly fails comes first, and no more than three are named."""
    effective = composed(gpu=-1, devices=GPUS, cuda_thread_names="off", read_only=["/dev/nvidia0", "/dev/nvidiactl"])
    told = likely(effective, 48, None, None)
    assert 3 == len(told)
    assert "cuda_thread_names" in told[0]
    assert all(sentence.startswith("or: the policy keeps /dev/nvidia") for sentence in told[1:])


def test_ids_are_distinct():
    """Two devices, and baselines beside them, never share an id."""
    effective = given(node("/dev/nvidia0"), node("/dev/nvidia0", permissions="r"))
    assert len(effective.grants) == len(by_id(effective))


def test_devices_are_compared():
    """Another GPU, another variable and another file behind a path are differences; the same device is none."""
    one = given(node("/dev/gpu", "/dev/other0"), common=Edits(env=("A=b",)))
    assert () == compare(one, given(node("/dev/gpu", "/dev/other0"), common=Edits(env=("A=b",))))
    other = given(node("/dev/gpu", "/dev/nvidiactl"), common=Edits(env=("A=c",)))
    found = {difference.kind: (difference.a or {}, difference.b or {}) for difference in compare(one, other)}
    assert {"devices", "grant"} == found.keys()
    assert ("/dev/other0", "/dev/nvidiactl") == tuple(side["source"] for side in found["grant"])
    assert ("b", "c") == tuple(side["variables"]["A"] for side in found["devices"])
    assert "devices" in {difference.kind for difference in compare(composed(), one)}
