"""From the text of a spec to its values, version by version."""

import pathlib

import pytest
import yaml

from pyopenshell.devices.cdi.edits import NODE
from pyopenshell.devices.cdi.model import DeviceNode, Hook, Mount
from pyopenshell.devices.cdi.read import read_bytes, read_file
from tests.unit.devices.cdi.cases import spec

SAMPLES = sorted((pathlib.Path(__file__).parent / "samples").iterdir())


def read(text):
    """The spec of a text, and its faults as (code, line)."""
    reading = read_bytes(text.encode(), "a.yaml")
    return reading.spec, [(fault.code.removeprefix("cdi."), fault.line) for fault in reading.faults]


def edits(text, **options):
    """The edits of the only device of a spec that has no fault."""
    found, faults = read(spec(text, **options))
    assert [] == faults
    return found.devices[0].edits


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_samples_have_no_fault(path):
    """Specs in the shape that nvidia-ctk writes are read as they are."""
    reading = read_file(str(path), 3)
    assert () == reading.faults
    assert reading.spec is not None
    assert ("nvidia.com/gpu", 3, str(path)) == (reading.spec.kind, reading.spec.priority, reading.spec.file)
    assert "all" in [device.name for device in reading.spec.devices]


def sample(name):
    """The spec of the sample whose name begins so."""
    return next(read_file(str(path)).spec for path in SAMPLES if path.name.startswith(name))


def test_a_spec_of_yaml():
    """Nodes, mounts, hooks, environment and lines of a spec in YAML."""
    found = sample("nvidia-550")
    assert ("0.5.0", ["0", "1", "all"]) == (found.version, [device.name for device in found.devices])
    assert ("NVIDIA_VISIBLE_DEVICES=void",) == found.edits.env
    assert DeviceNode("/dev/nvidia-modeset", "/dev/nvidia-modeset", "rwm", line=5) == found.edits.device_nodes[0]
    socket = next(mount for mount in found.edits.mounts if mount.container_path.endswith("/socket"))
    assert ("ro", "nosuid", "nodev", "bind", "noexec") == socket.options
    library = found.edits.mounts[1]
    path = "/usr/lib/x86_64-linux-gnu/libcuda.so.550.54.15"
    assert Mount(path, path, ("ro", "nosuid", "nodev", "bind"), line=library.line) == library
    hook = found.edits.hooks[1]
    arguments = ("nvidia-ctk", "hook", "update-ldcache", "--folder", "/usr/lib/x86_64-linux-gnu")
    assert Hook("createContainer", "/usr/bin/nvidia-ctk", arguments, line=hook.line) == hook
    text = next(path for path in SAMPLES if "550" in path.name).read_text().splitlines()
    assert path in text[library.line - 1]
    assert "args:" in text[hook.line - 1]
    nodes = [node.path for node in found.devices[1].edits.device_nodes]
    assert ["/dev/nvidia1", "/dev/dri/card2", "/dev/dri/renderD129"] == nodes


def test_a_spec_of_json():
    """Numbers, permissions and file systems of a spec in JSON."""
    found = sample("nvidia-580")
    assert DeviceNode("/dev/nvidia0", "/dev/nvidia0", "rw", "c", 195, 0, 12) == found.devices[0].edits.device_nodes[0]
    assert ("tmpfs", "tmpfs") == (found.edits.mounts[-1].type, found.edits.mounts[-1].host_path)
    assert ("NVIDIA_CTK_DEBUG=false",) == found.edits.hooks[0].env


def test_groups():
    """Additional groups are numbers; 0 is passed over."""
    assert (44, 104) == sample("tegra").devices[0].edits.groups
    assert (7,) == edits("additionalGids: [0, 7]").groups


def test_mig():
    """The nodes of a MIG device are its GPU's and its two capabilities'."""
    found = next(device for device in sample("nvidia-535").devices if device.name == "0:1")
    expected = ["/dev/nvidia0", "/dev/nvidia-caps/nvidia-cap30", "/dev/nvidia-caps/nvidia-cap31"]
    assert expected == [node.host_path for node in found.edits.device_nodes]


@pytest.mark.parametrize(
    ("written", "read_as"),
    [
        ("", "rwm"),
        ("permissions: rw", "rw"),
        ("permissions: wr", "rw"),
        ("permissions: r", "r"),
        ("permissions: ''", "rwm"),
        ("permissions: rrm", "rm"),
    ],
)
def test_permissions(written, read_as):
    """All where none are named, else the letters in their order."""
    assert read_as == edits(f"deviceNodes: [{{path: /dev/a, {written}}}]").device_nodes[0].permissions


def test_no_permissions():
    """``none`` is none, with a warning."""
    found, faults = read(spec("deviceNodes: [{path: /dev/a, permissions: none}]"))
    assert ("", [("permissions-none", 5)]) == (found.devices[0].edits.device_nodes[0].permissions, faults)


@pytest.mark.parametrize(
    ("written", "numbers"),
    [("major: 0", (None, None)), ("minor: 3", (None, None)), ("major: 1", (1, 0)), ("major: 1, minor: 3", (1, 3))],
)
def test_numbers(written, numbers):
    """Without a major number, the host says both."""
    node = edits(f"deviceNodes: [{{path: /dev/a, type: c, {written}}}]").device_nodes[0]
    assert numbers == (node.major, node.minor)


FEATURES = [
    ("0.4.0", "mounts: [{hostPath: /a, containerPath: /a, type: bind}]", {}),
    ("0.5.0", "deviceNodes: [{path: /a, hostPath: /b}]", {}),
    ("0.5.0", "env: [A=1]", {"name": '"0"'}),
    ("0.6.0", "env: [A=1]", {"more": "annotations: {a: b}\n"}),
    ("0.6.0", "env: [A=1]", {"more": "  annotations: {a: b}\n"}),
    ("0.6.0", "env: [A=1]", {"kind": "a.com/b.c"}),
    ("0.7.0", "intelRdt: {closID: a}", {}),
    ("0.7.0", "additionalGids: [1]", {}),
    ("1.1.0", "netDevices: [{hostInterfaceName: a, name: b}]", {}),
    ("1.1.0", "intelRdt: {schemata: [a]}", {}),
    ("1.1.0", "intelRdt: {enableMonitoring: true}", {}),
]
VERSIONS = ("0.3.0", "0.4.0", "0.5.0", "0.6.0", "0.7.0", "0.8.0", "1.0.0", "1.1.0")


@pytest.mark.parametrize(("since", "text", "options"), FEATURES, ids=[f"{row[0]}-{row[1][:14]}" for row in FEATURES])
def test_a_feature_needs_its_version(since, text, options):
    """Every version from the one that brought a feature on takes it, none before does."""
    for version in VERSIONS:
        _, faults = read(spec(text, **({"name": "a"} | options), version=version))
        old = VERSIONS.index(version) < VERSIONS.index(since)
        assert ({"version-too-old"} if old else set()) == {code for code, _ in faults}, version


@pytest.mark.parametrize(
    ("version", "code"),
    [
        ("0.3.0", None),
        ("v0.3.0", None),
        ("0.2.0", "version-too-old"),
        ("0.1.0", "version-too-old"),
        ("0.5.1", "invalid-version"),
        ("1.2.0", "invalid-version"),
        ("latest", "invalid-version"),
        ('""', "missing-field"),
        ("vv0.3.0", "invalid-version"),
    ],
)
def test_versions(version, code):
    """Released versions that engines read; a leading v is theirs too."""
    found, faults = read(spec(version=version, name="a"))
    assert ([(code, 1)] if code else []) == faults
    assert code or found.version == "0.3.0"


def test_an_unquoted_version_is_said_to_be_a_number():
    """``1.0`` is a number to engines, which then read 1."""
    assert [("invalid-version", 1), ("unquoted", 1)] == sorted(read(spec(version="1.0"))[1])


MANY = spec(
    "additionalGids: [1], mounts: [{hostPath: /a, containerPath: /a, type: bind}], "
    "deviceNodes: [{path: /a, hostPath: /b}]",
    version="VERSION",
)


@pytest.mark.parametrize(
    ("version", "code", "mend"),
    [
        ("0.3.0", "version-too-old", "write cdiVersion: 0.7.0"),
        ("0.6.0", "version-too-old", "write cdiVersion: 0.7.0"),
        ("0.2.0", "version-too-old", "write cdiVersion: 0.7.0"),
        ("9.9.0", "invalid-version", "write one of 0.7.0, 0.8.0, 1.0.0, 1.1.0"),
    ],
)
def test_one_version_for_all_that_is_used(version, code, mend):
    """Of several features the one that needs the newest version is told, and no older version is a mend."""
    faults = read_bytes(MANY.replace("VERSION", version).encode(), "a.yaml").faults
    assert [(f"cdi.{code}", mend)] == [(fault.code, fault.mend) for fault in faults]


def test_what_cdi_has_no_more():
    """Two settings of 0.7 are gone in 1.1."""
    assert [] == read(spec("intelRdt: {enableCMT: true}", version="1.0.0"))[1]
    assert [("version-too-new", 5)] == read(spec("intelRdt: {enableMBM: false}"))[1]


def test_names_without_quotes():
    """A plain decimal number is the name it looks like; another one is not what engines read."""
    assert ("0", []) == (lambda found: (found[0].devices[0].name, found[1]))(read(spec(name="0")))
    for text in ("010", "1.5", "yes", "1_0"):
        found, faults = read(spec(name=text))
        assert (text, [("unquoted", 4)]) == (found.devices[0].name, faults)


def test_other_capitals():
    """A name in other capitals is taken, twice is once too often."""
    found, faults = read(spec("ENV: [A=1]"))
    assert (("A=1",), [("field-case", 5)]) == (found.devices[0].edits.env, faults)
    assert "duplicate-key" in dict(read(spec("env: [A=1], Env: [B=1]"))[1])


def test_null_is_absent():
    """As in engines: an empty field is none."""
    found, faults = read(spec("env: [A=1], mounts: ~, hooks: , deviceNodes: null"))
    assert ((), (), [], ()) == (found.devices[0].edits.mounts, found.devices[0].edits.hooks, faults, found.edits.env)


WRONG = [
    ("env: [[]]", "wrong-type"),
    ("env: [A]", "bad-env"),
    ("env: {A: 1}", "wrong-type"),
    ("deviceNodes: [null]", "wrong-type"),
    ("deviceNodes: [/dev/null]", "wrong-type"),
    ("deviceNodes: [{}]", "missing-field"),
    ("mounts: [{}]", "missing-field"),
    ("hooks: [{}]", "missing-field"),
    ("deviceNodes: [{path: ''}]", "missing-field"),
    ("deviceNodes: [{path: /dev/a, major: '1'}]", "wrong-type"),
    ("deviceNodes: [{path: /dev/a, major: 5000}]", "bad-number"),
    ("deviceNodes: [{path: /dev/a, minor: 9999999}]", "bad-number"),
    ("deviceNodes: [{path: /dev/a, uid: -1}]", "bad-number"),
    ("deviceNodes: [{path: /dev/a, gid: 4294967296}]", "bad-number"),
    ("deviceNodes: [{path: /dev/a, hostPath: b}]", "bad-path"),
    (f"deviceNodes: [{{path: /{'a' * 4096}}}]", "bad-path"),
    ('mounts: [{hostPath: "/a\\nb", containerPath: /a}]', "bad-path"),
    ("mounts: [{hostPath: a, containerPath: /a}]", "bad-path"),
    ("mounts: [{hostPath: /a, containerPath: a}]", "bad-path"),
    ("mounts: [{hostPath: '', containerPath: /a, type: tmpfs}]", "missing-field"),
    ("mounts: [{hostPath: /a, containerPath: /a, options: ro}]", "wrong-type"),
    ("hooks: [{path: /a}]", "missing-field"),
    ("hooks: [{hookName: prestart}]", "missing-field"),
    ("hooks: [{hookName: prestart, path: a}]", "bad-path"),
    ("hooks: [{hookName: prestart, path: /a, env: [A]}]", "bad-env"),
    ("hooks: [{hookName: prestart, path: /a, timeout: 1.5}]", "wrong-type"),
    ("additionalGids: [-1]", "bad-number"),
    ("additionalGids: [video]", "wrong-type"),
    ("netDevices: [{name: a}]", "missing-field"),
    ("intelRdt: {enableMonitoring: 1}", "wrong-type"),
    ("intelRdt: {closID: ..}", "bad-intel-rdt"),
    ("deviceNodes: []", "empty-device"),
    ("intelRdt: ~", "empty-device"),
    ("netDevices: []", "empty-device"),
]


@pytest.mark.parametrize(("text", "code"), WRONG, ids=[row[0][:50] for row in WRONG])
def test_wrong_values(text, code):
    """Each is a fault on its line, and the spec is not used."""
    found, faults = read(spec(text))
    assert code in dict(faults)
    assert (None, {5 if code != "empty-device" else 4}) == (found, {line for name, line in faults if name == code})


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("[]\n", "wrong-type", 1),
        ("text\n", "wrong-type", 1),
        ("kind: a/b\ndevices: [{name: a, containerEdits: {env: [A=1]}}]\n", "missing-field", 1),
        ("cdiVersion: 0.3.0\ndevices: [{name: a, containerEdits: {env: [A=1]}}]\n", "missing-field", 1),
        ("cdiVersion: 0.3.0\nkind: a/b\n", "no-devices", 1),
        ("cdiVersion: 0.3.0\nkind: a/b\ndevices:\n", "no-devices", 3),
        ("cdiVersion: 0.3.0\nkind: a/b\ndevices: [{containerEdits: {env: [A=1]}}]\n", "missing-field", 3),
        ("cdiVersion: 0.3.0\nkind: a/b\ndevices: [{name: a}]\n", "empty-device", 3),
        ("cdiVersion: 0.3.0\nkind: a/b\ndevices: [~]\n", "empty-device", 3),
        ("cdiVersion: 0.3.0\nkind: a/b\ndevices: [{}]\n", "missing-field", 3),
        ("cdiVersion: 0.3.0\nkind: a/b\ndevices: {a: b}\n", "wrong-type", 3),
        (spec(more="annotations: []\n"), "wrong-type", 6),
        (spec(more="annotations: {a: [b]}\n"), "wrong-type", 6),
        (spec(more="annotations: {-/a: b}\n"), "bad-annotation", 6),
        (
            '{"cdiVersion":"0.5.0","kind":"a/b","devices":[{"name":"a","containerEdits":{"env":["A=1"]}},{"name":"a","containerEdits":{"env":["A=1"]}}]}',
            "duplicate-device",
            1,
        ),
    ],
)
def test_wrong_specs(text, code, line):
    """What a whole spec lacks is a fault too."""
    found, faults = read(text)
    assert (code, line) in faults
    assert found is None


def test_mends_name_what_was_meant():
    """An unknown field's mend is the known one, a bad stage's the nearest, an old version's the one that is needed."""
    mends = {
        spec("deviceNoodles: []"): "write deviceNodes",
        spec("hooks: [{hookName: CreateContainer, path: /a}]"): "write createContainer",
        spec(version="0.3.0"): "write cdiVersion: 0.5.0",
        spec(name="nvidia.com/gpu=0"): "write 0",
        spec("deviceNodes: [{path: /a, id: 1}]"): f"remove it; a device node has {', '.join(sorted(NODE))}",
    }
    for text, mend in mends.items():
        assert mend in [fault.mend for fault in read_bytes(text.encode(), "a").faults]


@pytest.mark.parametrize("text", [spec("deviceNoodles: []"), "cdiVersion: 0.5.0\nkind: a.com/b\ndevice: []\n"])
def test_what_is_misspelt_is_not_missing_too(text):
    """One mistake is one fault: a field under a wrong name does not count as absent."""
    assert ["unknown-field"] == [code for code, _ in read(text)[1]]


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_the_parser_in_python_reads_the_same(path, monkeypatch):
    """Where PyYAML was built without libyaml, its own parser does."""
    expected = read_file(str(path))
    monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
    assert expected == read_file(str(path))
