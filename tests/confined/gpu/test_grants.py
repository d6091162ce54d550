"""What a CDI spec gives a sandbox, to the letter: device nodes by their permissions, mounts, and nothing besides."""

import errno
import os
import tempfile

import pytest

from pyopenshell.launch import binding
from tests.confined.gpu import hosts
from tests.confined.landlock.harness import needs_landlock
from tests.confined.launch import world
from tests.confined.whole import callers

pytestmark = needs_landlock

READ, WRITE, BOTH = os.O_RDONLY, os.O_WRONLY, os.O_RDWR
YES = "opened, ioctl ENOTTY"
"""The driver of /dev/zero has no such ioctl; Landlock, which is asked first, allowed it."""
ALLOWED = {
    None: {READ: YES, WRITE: YES, BOTH: YES},
    "rwm": {READ: YES, WRITE: YES, BOTH: YES},
    "rw": {READ: YES, WRITE: YES, BOTH: YES},
    "r": {READ: YES, WRITE: "EACCES", BOTH: "EACCES"},
    "w": {READ: "EACCES", WRITE: YES, BOTH: "EACCES"},
    "m": {READ: "EACCES", WRITE: "EACCES", BOTH: "EACCES"},
}
"""By a node's permissions: what becomes of opening it, and of an ioctl."""


def name(permissions):
    return f"/dev/nvidia-{permissions or 'plain'}"


@pytest.mark.kernels
def test_permissions_are_kept(anyone, folder):
    """Reading, writing and ioctls are as the spec's letters say, and making nodes is nobody's."""
    world.needs_namespaces()
    place = hosts.nodes(folder, *(os.path.basename(name(letters)) for letters in ALLOWED))
    edits = [hosts.node(name(letters), place / os.path.basename(name(letters)), letters) for letters in ALLOWED]
    specs = hosts.spec(folder, {"0": {"deviceNodes": edits}})
    asked = [(name(letters), flags) for letters in ALLOWED for flags in (READ, WRITE, BOTH)]
    device = ("--cdi-spec-dir", specs, "--device", hosts.named(0))
    found = anyone.ask(hosts.OPENS, "-q", "-n", "letters", *device, paths=asked)
    expected = {f"{name(letters)} {flags}": told for letters, each in ALLOWED.items() for flags, told in each.items()}
    # Where "m" is alone no rule is made and nothing is shown.
    expected |= {f"{name('m')} {flags}": "ENOENT" for flags in (READ, WRITE, BOTH)}
    assert expected == found
    grants = {
        one["path"]: one for one in anyone.record("letters").effective["grants"] if one["origin"]["kind"] == "cdi"
    }
    assert {name(letters) for letters in ALLOWED} == grants.keys()
    assert (["read_file", "ioctl_dev"], "enforced") == (grants[name("r")]["access"], grants[name("r")]["status"])
    assert ("skipped", []) == (grants[name("m")]["status"], grants[name("m")]["actual"])
    origin = grants[name("rw")]["origin"]
    assert ("cdi", hosts.named(0), str(specs / "nvidia.json")) == (origin["kind"], origin["name"], origin["file"])
    assert origin["line"] > 1
    assert str(place / "nvidia-rw") == grants[name("rw")]["source"]
    abi = anyone.record("letters").effective["landlock"]["abi"]
    assert ("ioctl_dev" in grants[name("rw")]["actual"]) is (abi >= 5)


def test_what_a_spec_does_not_name_stays_closed(anyone, folder):
    """A node beside the ones that are given cannot be opened, by any of its paths."""
    world.needs_namespaces()
    place = hosts.nodes(folder, "nvidia0", "nvidia1")
    specs = hosts.spec(folder, {"0": {"deviceNodes": [hosts.node("/dev/nvidia0", place / "nvidia0")]}})
    found = hosts.opened(
        anyone,
        ("/dev/nvidia0", "/dev/nvidia1", str(place / "nvidia1")),
        *("--cdi-spec-dir", specs, "--device", hosts.named(0)),
    )
    assert YES == found["/dev/nvidia0"]
    assert {"ENOENT"} == {told for path, told in found.items() if path != "/dev/nvidia0"}


@pytest.mark.kernels
def test_another_path_takes_a_mount_namespace(anyone, folder):
    """Where there is none the node is skipped and says so; a node at its own path is granted all the same."""
    anyone.world = world.WORLDS["no namespaces"]
    place = hosts.nodes(folder, "nvidia0", "nvidia1")
    edits = [hosts.node("/dev/nvidia0", place / "nvidia0"), hosts.node(place / "nvidia1")]
    specs = hosts.spec(folder, {"0": {"deviceNodes": edits}})
    device = ("-n", "bare", "--cdi-spec-dir", specs, "--device", hosts.named(0))
    found = hosts.opened(anyone, ("/dev/nvidia0", str(place / "nvidia1")), *device)
    assert ["ENOENT", YES] == [*found.values()]
    grant = anyone.record("bare").grant("/dev/nvidia0")
    assert ("skipped", True) == (grant["status"], "mount namespace" in grant["detail"]["message"])
    assert "High" == anyone.record("bare").findings["cdi.path-skipped"]["severity"]


def test_files_where_the_host_has_none(anyone, folder):
    """A library is shown in a folder of the host's that lacks it; its neighbours are there, and none can be added."""
    world.needs_namespaces()
    (folder / "libcuda.so.550").write_text("a driver's library")
    os.chmod(folder, 0o755)
    at = "/usr/lib/openshell-test/deep/libcuda.so.550"
    specs = hosts.spec(folder, {"0": {"mounts": [hosts.mount(folder / "libcuda.so.550", at, "ro", "nosuid", "bind")]}})
    code = """
answer = {"content": open(given["at"]).read(), "neighbours": sorted(os.listdir("/usr/lib"))}
for name, path, flags in (("write", given["at"], os.O_WRONLY), ("add", "/usr/lib/other", os.O_WRONLY | os.O_CREAT)):
    answer[name] = attempt(os.open, path, flags)
answer["mode"] = attempt(os.chmod, "/usr/lib", 0o777)
"""
    found = anyone.ask(code, "-q", "--cdi-spec-dir", specs, "--device", hosts.named(0), at=at)
    assert "EROFS" == found["mode"]
    assert "a driver's library" == found["content"]
    assert sorted({*os.listdir("/usr/lib"), "openshell-test"}) == found["neighbours"]
    assert {found["write"], found["add"]} <= {"EACCES", "EROFS"}
    assert not os.path.exists("/usr/lib/openshell-test")


def test_a_folder_too_large_for_a_stand_in(anyone, folder):
    """What cannot be shown is skipped and told, though a grant on the folder above covers it; the rest is given."""
    world.needs_namespaces()
    place = hosts.nodes(folder, "nvidia0")
    with tempfile.TemporaryDirectory(dir="/var/tmp") as large:
        os.chmod(large, 0o755)
        for number in range(binding.MOST + 1):
            os.close(os.open(f"{large}/{number}", os.O_CREAT | os.O_WRONLY))
        edits = {
            "deviceNodes": [hosts.node("/dev/nvidia0", place / "nvidia0")],
            "mounts": [hosts.mount("/etc/hostname", f"{large}/library", "ro")],
        }
        device = ("-n", "large", "--cdi-spec-dir", hosts.spec(folder, {"0": edits}), "--device", hosts.named(0))
        found = anyone.ask(
            "answer = [os.path.exists(given['at']), attempt(os.open, '/dev/nvidia0', os.O_RDWR)]",
            *("-q", *device),
            policy=world.policy(read_only=(large,)),
            at=f"{large}/library",
        )
    assert [False, "ok"] == found
    grant = anyone.record("large").grant(f"{large}/library")
    assert ("skipped", errno.E2BIG) == (grant["status"], grant["detail"]["errno"])


def test_folders_read_only_and_not(anyone, folder):
    """A mount without ``ro`` can be written, one with it cannot, also where Landlock lets the sandbox write."""
    world.needs_namespaces()
    uid = anyone.workdir.stat().st_uid
    for name_ in ("read", "write"):
        (folder / name_).mkdir()
        (folder / name_ / "file").write_text(name_)
        os.chown(folder / name_, uid, -1)
    places = (("read", "/opt/r", "ro"), ("read", "/tmp/r", "ro"), ("write", "/opt/w", "rw"))
    mounts = [hosts.mount(folder / host, at, option, "rbind") for host, at, option in places]
    specs = hosts.spec(folder, {"0": {"mounts": mounts}})
    code = """
answer = {}
for place in ("/opt/r", "/tmp/r", "/opt/w"):
    answer[place] = [open(place + "/file").read(), attempt(os.open, place + "/new", os.O_WRONLY | os.O_CREAT)]
"""
    found = anyone.ask(code, "-q", "--cdi-spec-dir", specs, "--device", hosts.named(0))
    assert ["write", "ok"] == found["/opt/w"]
    assert ["read", "EROFS"] == found["/opt/r"]
    assert ["read", "EROFS"] == found["/tmp/r"]
    assert ["file", "new"] == sorted(os.listdir(folder / "write"))


def test_a_spec_out_of_date_weakens_nothing_else(anyone, folder):
    """What is missing, or is another device than the spec means, is skipped and told; the rest is given."""
    world.needs_namespaces()
    place = hosts.nodes(folder, "nvidia0", "nvidia1")
    edits = {
        "deviceNodes": [
            hosts.node("/dev/nvidia0", place / "nvidia0", major=1, minor=5, type="c"),
            hosts.node("/dev/nvidia1", place / "nvidia1", major=195, minor=1, type="c"),
            hosts.node("/dev/nvidia2", place / "nvidia2"),
        ],
        "mounts": [hosts.mount("/usr/lib/libcuda.so.535", "/usr/lib/libcuda.so.535", "ro")],
    }
    device = ("-n", "stale", "--cdi-spec-dir", hosts.spec(folder, {"0": edits}), "--device", hosts.named(0))
    found = hosts.opened(anyone, ("/dev/nvidia0", "/dev/nvidia1", "/dev/nvidia2"), *device)
    assert [YES, "ENOENT", "ENOENT"] == [*found.values()]
    told = [one["message"] for one in anyone.record("stale").effective["findings"] if one["code"] == "cdi.path-skipped"]
    assert any("is device 1:5 here, and the spec means 195:1" in message for message in told)
    assert any("/usr/lib/libcuda.so.535" in message for message in told)


def test_what_comes_with_a_device(anyone, folder):
    """Variables are set, the runtime's own stand; groups where they can be had; hooks are told with what follows."""
    common = {
        "env": ["NVIDIA_VISIBLE_DEVICES=void", "HOME=/elsewhere", "VENDOR=x=y"],
        "additionalGids": [44, 0],
        "hooks": [
            {
                "hookName": "createContainer",
                "path": "/usr/bin/nvidia-cdi-hook",
                "args": ["nvidia-cdi-hook", "update-ldcache", "--folder", "/opt/nowhere"],
            }
        ],
    }
    place = hosts.nodes(folder, "nvidia0")
    specs = hosts.spec(folder, {"0": {"deviceNodes": [hosts.node(place / "nvidia0")]}}, common)
    code = "answer = [dict(os.environ), os.getgroups()]"
    found, groups = anyone.ask(code, "-q", "-n", "more", "--cdi-spec-dir", specs, "--device", hosts.named(0))
    assert ("void", "x=y") == (found["NVIDIA_VISIBLE_DEVICES"], found["VENDOR"])
    assert "/elsewhere" != found["HOME"]
    as_root = not isinstance(anyone, callers.AsUser)
    assert (as_root, False) == (44 in groups, 0 in groups)
    record = anyone.record("more")
    devices = record.effective["devices"]
    assert {"NVIDIA_VISIBLE_DEVICES": "set", "HOME": "skipped", "VENDOR": "set"} == {
        one["name"]: one["status"] for one in devices["env"] if one["name"] != "CUDA_VISIBLE_DEVICES"
    }
    assert {44: "member" if as_root else "skipped"} == {one["gid"]: one["status"] for one in devices["groups"]}
    assert ["skipped"] == [one["status"] for one in devices["hooks"]]
    assert "LD_LIBRARY_PATH=/opt/nowhere" in record.findings["cdi.hook-not-run"]["hint"]
    told = [event["unmapped"] for event in record.events if event["class_uid"] == 5019]
    (given,) = [one["devices"] for one in told if "devices" in one]
    assert (["NVIDIA_VISIBLE_DEVICES", "VENDOR"], ["createContainer /usr/bin/nvidia-cdi-hook"]) == (
        [name_ for name_ in given["variables"] if not name_.startswith("CUDA_")],
        given["hooks_not_run"],
    )
    origins = {(one["grant"]["origin"]["kind"], one["grant"]["path"]) for one in told if "grant" in one}
    assert ("cdi", str(place / "nvidia0")) in origins


def test_verified(anyone, folder):
    """What a probe finds inside a sandbox with devices, shown files and a folder that stands in is what is reported."""
    world.needs_namespaces()
    place = hosts.nodes(folder, "nvidia0")
    edits = {
        "deviceNodes": [hosts.node("/dev/gpu/nvidia0", place / "nvidia0", "r")],
        "mounts": [hosts.mount("/etc/hostname", "/usr/share/openshell-test", "ro")],
    }
    device = ("--verify", "--cdi-spec-dir", hosts.spec(folder, {"0": edits}), "--device", hosts.named(0))
    done = anyone.run(*device, "--", "/usr/bin/true")
    assert (0, True) == (done.returncode, "openshell: verified:" in done.stderr), done.stderr
