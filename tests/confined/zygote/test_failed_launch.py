"""A launch that fails says why, and leaves the zygote, and all that it keeps, as they were."""

import errno
import os
import resource
import shutil
import subprocess
import threading
from typing import Any

import pytest

from pyopenshell import (
    GpuError,
    LaunchError,
    NameInUse,
    OpenShellError,
    Policy,
    PolicyError,
    PolicyRefused,
    Sandbox,
    StateError,
    UsageError,
    runs,
)
from pyopenshell.sandbox import request
from pyopenshell.zygote import failure, protocol
from tests.confined.launch import world
from tests.confined.zygote.conftest import sh
from tests.confined.zygote.door import Door


@pytest.fixture
def unharmed(box, options):
    """A sandbox from before, by whose zygote and plan others can be made afterwards."""
    zygote = keeper_of(box)
    yield box
    assert "ok\n" == box.run(sh("echo ok")).stdout
    for _ in range(2):
        with Sandbox(**options) as other:
            assert "ok\n" == other.run(sh("echo ok")).stdout
            assert zygote == keeper_of(other)
    assert [] == leftovers(box)


def keeper_of(box: Any) -> int:
    """Return the pid of a sandbox's zygote."""
    return int(box._link.zygote.pid)


def leftovers(box):
    """Children of the nursery that are no sandbox of these tests."""
    zygote = keeper_of(box)
    with open(f"/proc/{zygote}/task/{zygote}/children", encoding="ascii") as file:
        nursery = int(file.read().split()[0])
    with open(f"/proc/{nursery}/task/{nursery}/children", encoding="ascii") as file:
        return [pid for pid in map(int, file.read().split()) if pid != box.pid and not is_spare(pid)]


def is_spare(pid):
    """Whether a process is a sandbox made in advance, which ends by itself."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return not file.read()
    except (FileNotFoundError, ProcessLookupError):
        return True


@pytest.mark.usefixtures("unharmed")
def test_a_policy_that_is_refused(options):
    """What its words ask for is dangerous here; the finding of the error is the zygote's."""
    os.makedirs(runs.state_root(), exist_ok=True)
    policy = Policy.from_dict({"version": 1, "filesystem_policy": {"read_write": [runs.state_root()]}})
    for _ in range(2):
        with pytest.raises(PolicyRefused):
            Sandbox(policy, **options).start()


@pytest.mark.usefixtures("unharmed")
def test_a_gpu_that_is_not_there(options):
    """More of them than any host has."""
    with pytest.raises(GpuError):
        Sandbox(gpu=4097, **options).start()


def test_a_name_in_use(unharmed, options):
    """Only while it lives; the record of who has it is untouched."""
    before = sorted(os.listdir(unharmed.record))
    for _ in range(2):
        with pytest.raises(NameInUse):
            Sandbox(name=unharmed.name, **options).start()
    assert before == sorted(os.listdir(unharmed.record))
    assert unharmed.run_id == runs.find(unharmed.name).id


@pytest.mark.usefixtures("unharmed")
def test_a_name_that_is_none(options):
    """Also where the plan is there already, and only the name is new."""
    for _ in range(2):
        with pytest.raises(UsageError):
            Sandbox(name="Not A Name", **options).start()


@pytest.mark.usefixtures("unharmed")
def test_a_state_folder_that_cannot_be_used(options, monkeypatch, tmp_path):
    """A file in its place; and it serves again once it is one."""
    place = tmp_path / "state"
    monkeypatch.setenv("XDG_STATE_HOME", str(place))
    place.mkdir(mode=0o700)
    (place / "openshell").write_text("no folder")
    with pytest.raises(StateError):
        Sandbox(**options).start()
    (place / "openshell").unlink()
    with Sandbox(**options) as box:
        assert box.record.startswith(str(place))
    shutil.rmtree(place / "openshell")
    (place / "openshell").write_text("no folder")
    with pytest.raises(StateError):
        Sandbox(**options).start()


def test_a_full_or_read_only_state_folder(unharmed, options, monkeypatch, tmp_path):
    """No record, no sandbox: nothing is half made, and no process is left waiting."""
    world.needs_root()
    place = tmp_path / "state"
    place.mkdir(mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48k,mode=700", "tmpfs", place], check=True)
    try:
        monkeypatch.setenv("XDG_STATE_HOME", str(place))
        with pytest.raises(StateError, match=r"space|full"):
            Sandbox(**options).start()
        while subprocess.run(
            ["mount", "-o", "remount,ro,size=48k", place], check=False, capture_output=True
        ).returncode:
            pass  # the record of what failed is closed when the last of it has ended
        with pytest.raises(StateError, match="ead-only"):
            Sandbox(**options).start()
        subprocess.run(["mount", "-o", "remount,rw,size=8m", place], check=True)
        with Sandbox(**options) as box:
            assert box.run(["/bin/true"]).ok
    finally:
        subprocess.run(["umount", "-l", place], check=True)
    assert unharmed.is_open


@pytest.mark.usefixtures("unharmed")
def test_a_step_that_fails(options, workdir):
    """The kernel refuses one: it is named, with the kernel's answer, and the record says that it failed."""
    inner = workdir / "inner"
    inner.mkdir()
    os.chown(inner, workdir.stat().st_uid, workdir.stat().st_gid)
    mine = options | {"workdir": inner}
    with Sandbox(name="fails", **mine):
        pass
    os.chmod(inner, 0)
    for _ in range(2):
        with pytest.raises(LaunchError) as failed:
            Sandbox(name="fails", **mine).start()
        assert ("working directory", errno.EACCES) == (failed.value.step, failed.value.errno)
        assert "failed" == (runs.find("fails").effective() or {})["sandbox"]["state"]
    os.chmod(inner, 0o755)
    with Sandbox(name="fails", **mine) as box:
        assert box.run(["/bin/true"]).ok


@pytest.mark.usefixtures("unharmed")
def test_a_working_directory_that_is_gone(options, workdir):
    """Before there is a plan, and when there is one."""
    inner = workdir / "inner"
    inner.mkdir()
    os.chown(inner, workdir.stat().st_uid, workdir.stat().st_gid)
    for _ in range(2):
        with Sandbox(**options | {"workdir": inner}):
            pass
    inner.rmdir()
    with pytest.raises(UsageError, match="not a folder"):
        Sandbox(**options | {"workdir": inner}).start()


@pytest.mark.usefixtures("unharmed")
def test_sixteen_that_fail_at_once(options):
    """Each is told its own error."""
    seen = []

    def start(number):
        try:
            Sandbox(name=f"Not {number}", **options).start()
        except OpenShellError as error:
            seen.append((number, f"Not {number}" in str(error)))

    threads = [threading.Thread(target=start, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [(number, True) for number in range(16)] == sorted(seen)


def test_a_zygote_without_room_for_descriptors(options):
    """What it cannot have is an error of the one who asked; nobody's output is lost, and no sandbox is."""
    kinds = set()
    with Sandbox(**options) as box:
        zygote = keeper_of(box)
        with Sandbox(**options):
            pass
        limits = resource.prlimit(zygote, resource.RLIMIT_NOFILE)
        held = max(int(fd) for fd in os.listdir(f"/proc/{zygote}/fd"))
        try:
            for more in range(2, 12, 3):
                resource.prlimit(zygote, resource.RLIMIT_NOFILE, (held + more, limits[1]))
                try:
                    with Sandbox(**options) as other:
                        assert "x\n" == other.run(["echo", "x"]).stdout
                except OpenShellError as error:
                    kinds.add(type(error))
        finally:
            resource.prlimit(zygote, resource.RLIMIT_NOFILE, limits)
        assert kinds
        assert "x\n" == box.run(["echo", "x"]).stdout
        with Sandbox(**options) as other:
            assert ("x\n", zygote) == (other.run(["echo", "x"]).stdout, keeper_of(other))


def asked(options, **changes):
    """Return what a sandbox is asked for with, as the zygote is told."""
    fields: dict[str, Any] = {"name": None, "gpu": None, "devices": (), "cdi_spec_dirs": (), "env": {}}
    found = request.fields(**fields, unsafe_unconfined=False, programs=("python3",), **options)
    told = {"request": found, "policy": None, "environ": dict(os.environ), "cwd": "/"}
    return told | changes


def test_a_folder_that_cannot_be_entered(unharmed, options):
    """The caller's own: an error with a place, and no defect."""
    told = Door(unharmed).ask(asked(options, cwd="/no/such/folder"))
    assert protocol.FAILED == told[0]
    error = failure.unpack(told[1])
    assert (UsageError, True) == (type(error), "/no/such/folder" in error.message)


@pytest.mark.parametrize("text", ["filesystem_policy: 1\n", "\0", "version: 1\n\udcff"])
def test_a_policy_that_is_none(unharmed, options, text):
    """An owner checks it first; the zygote does too."""
    kind, told = Door(unharmed).ask(asked(options, policy=("policy.yaml", text)))
    assert protocol.FAILED == kind
    error = failure.unpack(told)
    assert isinstance(error, PolicyError) or error.code == "internal"


@pytest.mark.parametrize("told", [{}, {"request": {}}, {"request": {"name": 5}, "environ": 7, "policy": 1, "cwd": 2}])
def test_a_request_that_is_none(unharmed, told):
    """From an owner with a defect: it is told so, and nobody else notices."""
    kind, value = Door(unharmed).ask(told)
    assert kind in (protocol.FAILED, protocol.ENDED, b"")
    if kind == protocol.ENDED:
        assert "defect" in value["lost"]


def test_frames_that_are_none(unharmed):
    """Half of one and an end; more than a frame holds; a command before there is a sandbox, with descriptors."""
    for data in (b"K", b"K\0\xff\xff\xff\x7fxx", b"?" * 5000, b""):
        Door(unharmed).say(data)
    door = Door(unharmed)
    door.send(protocol.COMMAND, {"argv": ["true"]}, [0, 1, 2])
    door.send(protocol.CLOSE)
    assert (b"", None) == door.answer()
