"""Which folders are read, which spec decides, and what is said about names that cannot be resolved."""

import errno
import subprocess
import sys

import pytest

from pyopenshell.devices.cdi import registry
from pyopenshell.errors import GpuError

STANDARD = ("/etc/cdi", "/var/run/cdi")


@pytest.fixture
def write(tmp_path):
    """Write a spec with these devices into ``folder/file``; return the folder's path."""

    def spec(folder, file, *devices, kind="nvidia.com/gpu", env="A=1"):
        (tmp_path / folder).mkdir(exist_ok=True)
        lines = [f'- {{name: "{device}", containerEdits: {{env: [{env}]}}}}\n' for device in devices]
        (tmp_path / folder / file).write_text(f"cdiVersion: 0.5.0\nkind: {kind}\ndevices:\n{''.join(lines)}")
        return str(tmp_path / folder)

    return spec


def codes(found):
    """The codes of a registry's faults."""
    return [fault.code for fault in found.faults]


def refusal(found, name):
    """The error for a name."""
    with pytest.raises(GpuError) as caught:
        found.find(name)
    return caught.value


@pytest.mark.parametrize(
    ("given", "environ", "expected"),
    [
        ((), {}, STANDARD),
        ((), {"OPENSHELL_CDI_SPEC_DIRS": ""}, STANDARD),
        ((), {"OPENSHELL_CDI_SPEC_DIRS": ":"}, STANDARD),
        ((), {"OPENSHELL_CDI_SPEC_DIRS": "/a::/b"}, ("/a", "/b")),
        (["/c"], {"OPENSHELL_CDI_SPEC_DIRS": "/a"}, ("/c",)),
        (["", "/c", "/d"], {}, ("/c", "/d")),
    ],
)
def test_folders(given, environ, expected):
    """What is given goes before the variable, the variable before the standard folders."""
    assert expected == registry.folders(given, environ)


def test_names_in_natural_order(write):
    """Names of all specs, numbers by their value."""
    folder = write("a", "x.yaml", 10, "all", 2, "0:1")
    write("a", "y.json", "card0", kind="amd.com/gpu")
    expected = ("amd.com/gpu=card0", *(f"nvidia.com/gpu={name}" for name in ("0:1", 2, 10, "all")))
    assert expected == registry.read([folder]).names()


def test_a_later_folder_decides(write):
    """The later folder's device is found; the earlier one is said to be replaced, once for all their devices."""
    first, second = write("a", "x.yaml", 0, 1, 2, env="A=1"), write("b", "y.yaml", 0, 1, env="A=2")
    found = registry.read([first, second])
    assert ["cdi.shadowed"] == codes(found)
    assert (f"{first}/x.yaml", 4) == (found.faults[0].file, found.faults[0].line)
    assert f"{second}/y.yaml, on line 4, and 1 more" in found.faults[0].message
    assert ("A=2",) == found.find("nvidia.com/gpu=0").device.edits.env
    assert ("A=1",) == found.find("nvidia.com/gpu=2").device.edits.env
    assert (0, 1) == tuple(spec.priority for spec in found.specs)
    assert ("A=1",) == registry.read([second, first]).find("nvidia.com/gpu=0").device.edits.env


def test_a_conflict_cannot_be_resolved(write):
    """Two specs of one folder: the device is gone, the others stay; the error and the fault name both places."""
    folder = write("a", "x.yaml", 0, 1)
    write("a", "y.yaml", 2, 1)
    found = registry.read([folder])
    assert ("nvidia.com/gpu=0", "nvidia.com/gpu=2") == found.names()
    assert ["cdi.conflict"] == codes(found)
    assert (f"{folder}/y.yaml", 5) == (found.faults[0].file, found.faults[0].line)
    assert f"{folder}/x.yaml too, on line 5" in found.faults[0].message
    error = refusal(found, "nvidia.com/gpu=1")
    assert ("cdi.conflict", True) == (error.code, f"{folder}/x.yaml:5 and {folder}/y.yaml:5" in error.message)


def test_a_later_folder_does_not_heal_a_conflict(write):
    """As in engines, which forget the device altogether."""
    folder = write("a", "x.yaml", 0)
    write("a", "y.yaml", 0)
    found = registry.read([folder, write("b", "z.yaml", 0)])
    assert () == found.names()
    assert "cdi.conflict" == refusal(found, "nvidia.com/gpu=0").code
    assert ["cdi.conflict", "cdi.shadowed"] == sorted(codes(found))


def test_kinds_do_not_conflict(write):
    """The same name of another kind is another device."""
    folder = write("a", "x.yaml", 0)
    write("a", "y.yaml", 0, kind="nvidia.com/mig")
    assert ((), 2) == (registry.read([folder]).faults, len(registry.read([folder]).names()))


def test_a_spec_with_an_error_is_not_used(write, tmp_path):
    """None of its devices is found, and the hint says that something is hidden."""
    folder = write("a", "x.yaml", 0, "")
    error = refusal(registry.read([folder]), "nvidia.com/gpu=0")
    assert "cdi.unknown-device" == error.code
    assert f"no spec in {folder} can be used; openshell gpu lint says what is wrong with " in error.hint
    assert error.hint.endswith("/a/x.yaml")
    write("a", "y.yaml", 1)
    assert ("nvidia.com/gpu=1",) == registry.read([folder]).names()


def test_unknown_names_list_what_there_is(write):
    """The hint lists the devices, cut to a readable number, and names the nearest one."""
    found = registry.read([write("a", "x.yaml", *range(12), "gpu-a")])
    error = refusal(found, "nvidia.com/gpu=99")
    assert "no CDI spec has the device 'nvidia.com/gpu=99'" == error.message
    assert error.hint.startswith("there are nvidia.com/gpu=0, nvidia.com/gpu=1,")
    assert error.hint.endswith("nvidia.com/gpu=7 and 5 more")
    assert refusal(found, "nvidia.com/gpu=gpu-b").hint.startswith("did you mean nvidia.com/gpu=gpu-a? there are")
    assert refusal(found, "nvidia.com/gpus=3").hint.startswith("did you mean nvidia.com/gpu=3?")
    cards = registry.read([write("b", "y.yaml", "card0", "card1")])
    assert refusal(cards, "nvidia.com/gpu=card9").hint.startswith("there are"), "one is as near as the other"


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("0", "cdi.bad-name", "did you mean nvidia.com/gpu=0?"),
        ("gpu=0", "cdi.bad-name", "did you mean nvidia.com/gpu=0?"),
        ("", "cdi.bad-name", "there are nvidia.com/gpu=0"),
        ("nvidia.com/gpu=", "cdi.bad-name", "it is empty"),
        ("nvidia.com/gpu", "cdi.bad-name", "vendor/class=device"),
        ("/dev/nvidia0", "cdi.bad-name", "there are"),
        ("nvidia.com/gpu=0:rw", "cdi.bad-name", "ask for nvidia.com/gpu=0"),
        ("nvidia.com/gpu=7:rw", "cdi.bad-name", "there are nvidia.com/gpu=0"),
        ("nvidia.com/gpu=0:ro", "cdi.bad-name", "names carry no permissions, its spec says them ask for"),
        ("gpu=0:RW", "cdi.bad-name", "names carry no permissions, its spec says them did you mean nvidia.com/gpu=0?"),
        ("nvidia.com/gpu=\n\udcff", "cdi.bad-name", r"'nvidia.com/gpu=\x0a\xff' is no CDI name: it holds '\x0a'"),
        ("nvidia.com/gpu=all", "cdi.unknown-device", "name each: nvidia.com/gpu=0, nvidia.com/gpu=1"),
        ("amd.com/gpu=all", "cdi.unknown-device", "there are nvidia.com/gpu=0"),
        ("nvidia.com/gpu=a b\x1b[2J", "cdi.bad-name", "it holds ' '"),
        ("nvidia.com/gpu=" + "x" * 100_000, "cdi.unknown-device", "…"),
    ],
)
def test_names_that_are_refused(write, name, code, words):
    """Each has its code, and says what to ask for instead."""
    error = refusal(registry.read([write("a", "x.yaml", 0, 1)]), name)
    assert code == error.code
    assert words in f"{error.message} {error.hint}"
    assert len(error.message) < 200


def test_a_name_that_ends_as_permissions_do(write):
    """Where a spec has it, it is that device."""
    found = registry.read([write("a", "x.yaml", "0:rw")])
    assert "0:rw" == found.find("nvidia.com/gpu=0:rw").device.name


def test_folders_that_cannot_be_listed(write, tmp_path):
    """A missing folder, an empty one, and a file in its place are faults; what they were is kept."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    good = write("a", "x.yaml", 0)
    paths = [str(tmp_path / name) for name in ("gone", "empty", "file")]
    found = registry.read([*paths, good, "a\0b"])
    expected = ["cdi.folder-missing", "cdi.folder-empty", "cdi.folder-unreadable", "cdi.folder-unreadable"]
    assert expected == codes(found)
    looked = [(errno.ENOENT, 0), (0, 0), (errno.ENOTDIR, 0), (0, 1), (errno.EINVAL, 0)]
    assert looked == [(folder.errno, folder.files) for folder in found.folders]


def test_standard_folders_may_be_missing(write, tmp_path, monkeypatch):
    """One of them is enough; none with a spec is one fault: of the first that is there, else of the first."""
    good, gone = write("a", "x.yaml", 0), str(tmp_path / "gone")
    monkeypatch.setattr(registry, "STANDARD", (gone, good))
    assert () == registry.read([gone, good]).faults
    (tmp_path / "a" / "x.yaml").unlink()
    assert [("cdi.folder-empty", good)] == [(one.code, one.file) for one in registry.read([gone, good]).faults]
    (tmp_path / "a").rmdir()
    assert [("cdi.folder-missing", gone)] == [(one.code, one.file) for one in registry.read([gone, good]).faults]


def test_a_standard_folder_that_is_closed_may_hold_specs(tmp_path, monkeypatch):
    """Then it is the only fault: where nobody can look, nothing is said to be missing."""
    closed, gone = str(tmp_path / "file"), str(tmp_path / "gone")
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(registry, "STANDARD", (closed, gone))
    found = registry.read([closed, gone])
    assert ["cdi.folder-unreadable"] == codes(found) == codes(registry.read([gone, closed]))
    hint = refusal(found, "nvidia.com/gpu=0").hint
    assert f"no spec is in {gone}; openshell gpu lint says what is wrong with {closed}" == hint
    assert "any folder that can be read" in refusal(registry.read([closed]), "nvidia.com/gpu=0").hint


def test_a_folder_with_two_names_counts_once(write, tmp_path):
    """A link, as /var/run is to /run, makes no device replace itself; the last place counts."""
    good = write("a", "x.yaml", 0)
    (tmp_path / "link").symlink_to(good)
    other = write("b", "y.yaml", 1)
    found = registry.read([good, other, f"{tmp_path}/link/", good + "/"])
    assert ((), (other, good)) == (found.faults, tuple(folder.path for folder in found.folders))


def test_what_engines_pass_over(write, tmp_path):
    """Subfolders, other endings, and a folder that is named as a spec: two of them are worth a word."""
    folder = write("a", "x.yaml", 0)
    for name in ("sub", "named.yaml"):
        (tmp_path / "a" / name).mkdir()
    for name in ("sub/y.yaml", "z.yml", "README", "x.yaml.bak"):
        (tmp_path / "a" / name).write_text("")
    found = registry.read([folder])
    assert ["cdi.not-a-file", "cdi.ending"] == codes(found)
    assert 1 == found.folders[0].files


def test_nothing_at_all():
    """An empty registry has no names and says so."""
    assert () == registry.Registry().names()
    assert "no spec is in any folder" == refusal(registry.Registry(), "a/b=c").hint


IMPORTS = """\
import sys
before = set(sys.modules)
from pyopenshell.devices.cdi import registry
registry.read(sys.argv[1:])
print(*sorted({name.partition(".")[0] for name in set(sys.modules) - before} - {"pyopenshell", "__future__"}))
"""


def test_a_host_without_specs_imports_next_to_nothing(write, tmp_path):
    """A launch with a GPU looks here too: the YAML parser, which is dear, is imported for a spec alone."""

    def imported(folder):
        command = [sys.executable, "-c", IMPORTS, str(folder)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()

    assert {"errno", "itertools"} >= set(imported(tmp_path / "gone"))
    assert "yaml" in imported(write("a", "x.yaml", 0))
