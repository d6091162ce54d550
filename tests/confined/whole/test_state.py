"""The state folder: unusable, elsewhere, shared by name, and kept short."""

import errno
import json
import os

import pytest

from pyopenshell.kernel import namespaces as ns
from tests.confined.landlock.harness import needs_landlock
from tests.confined.launch import world
from tests.confined.whole import callers

pytestmark = needs_landlock

WAITING = ("sh", "-c", "echo ready; read line; exit 7")


def fill(path):
    """Write until there is no room left."""
    with open(path, "wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 4096)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise


def read_only(place):
    """Return the action that mounts an empty file system without writing."""
    return lambda: ns.mount("tmpfs", str(place), "tmpfs", ns.MS_RDONLY, "mode=700")


@pytest.mark.parametrize(
    ("mount", "why"),
    [
        (read_only, "Read-only file system"),
        (lambda place: callers.tmpfs(place, "mode=700,size=4k"), "No space left on device"),
        (lambda place: callers.tmpfs(place, "mode=700,nr_inodes=8"), "No space left on device"),
    ],
)
def test_unusable_state(root, mount, why):
    """Read-only, no room for a record, no room for files: without a record nothing starts, and the error says why."""
    root.state.mkdir(mode=0o700)
    error = callers.refused(root, preexec_fn=callers.in_own_mounts(mount(root.state)))
    assert ("state", True) == (error["code"], why in error["message"])
    assert "XDG_STATE_HOME" in error["hint"]


def test_state_that_cannot_be_written(user):
    """So it is for an ordinary user whose state folder has lost its write bit."""
    user.state.mkdir(mode=0o700)
    os.chown(user.state, user.folder.stat().st_uid, -1)
    user.state.chmod(0o500)
    error = callers.refused(user)
    assert ("state", True) == (error["code"], "Permission denied" in error["message"])


def test_state_that_others_may_write(anyone):
    """A state folder that others could change is refused."""
    done = anyone.run("-q", "--", "true")
    assert 0 == done.returncode, done.stderr
    (anyone.state / "openshell").chmod(0o777)
    error = callers.refused(anyone)
    assert ("state", True) == (error["code"], "others may write to it (mode 0777)" in error["message"])


def test_a_disk_that_fills_up_ends_no_program(root):
    """The program runs on and keeps its exit code; what could not be written is said at the end."""
    root.state.mkdir(mode=0o700)
    own = callers.in_own_mounts(callers.tmpfs(root.state, "mode=700,size=256k"))
    with root.start("-n", "full", "--", *WAITING, preexec_fn=own) as process:
        assert "ready" == world.read_line(process)
        fill(f"/proc/{process.pid}/root{root.state}/fill")
        _, told = process.communicate("\n", timeout=world.SECONDS)
    assert 7 == process.returncode
    assert "openshell: cannot use the state folder" in told
    assert "No space left on device" in told


def test_a_relative_state_folder_is_ignored(user):
    """The XDG specification says so: the state is where it is without the variable."""
    user.environment["XDG_STATE_HOME"] = "relative"
    done = user.run("-q", "-n", "here", "--", "true")
    assert (0, "") == (done.returncode, done.stderr)
    assert (user.folder / ".local" / "state" / "openshell" / "names" / "here" / "exit.json").exists()
    assert [] == os.listdir(user.workdir)


def test_a_name_is_one_sandboxs_at_a_time(anyone):
    """A live duplicate is refused and disturbs nobody; afterwards the name is free, and leads to the newest run."""
    with anyone.start("-q", "-n", "only", "--", *WAITING) as process:
        assert "ready" == world.read_line(process)
        first = anyone.record("only").meta["id"]
        error = callers.refused(anyone, "-n", "only")
        assert ("sandbox.exists", "a sandbox named only is running") == (error["code"], error["message"])
        assert first == anyone.record("only").meta["id"]
        process.communicate("\n", timeout=world.SECONDS)
        assert 7 == process.returncode
    assert 0 == anyone.run("-q", "-n", "only", "--", "true").returncode
    assert first != anyone.record("only").meta["id"]


def test_delete_removes(anyone):
    """All runs of the name go; nothing of them stays in the state folder, and the name is unknown."""
    for _ in range(2):
        assert 0 == anyone.run("-q", "-n", "gone", "--", "true").returncode
    done = callers.verb(anyone, "sandbox", "delete", "gone")
    assert (0, "deleted gone (2 runs)\n") == (done.returncode, done.stdout)
    state = anyone.state / "openshell"
    assert ([], []) == (os.listdir(state / "runs"), os.listdir(state / "names"))
    done = callers.verb(anyone, "sandbox", "inspect", "gone", "-o", "json")
    assert (3, "sandbox.unknown") == (done.returncode, json.loads(done.stderr)["error"]["code"])


def test_runs_that_are_over_are_kept_as_told(anyone):
    """OPENSHELL_KEEP_RUNS=2: beside the newest run, the two before it are kept."""
    anyone.environment["OPENSHELL_KEEP_RUNS"] = "2"
    for number in range(5):
        assert 0 == anyone.run("-q", "-n", f"run-{number}", "--", "true").returncode
    names = os.listdir(anyone.state / "openshell" / "names")
    assert ["run-2", "run-3", "run-4"] == sorted(names)
    assert 3 == len(os.listdir(anyone.state / "openshell" / "runs"))


@pytest.mark.parametrize("text", ["-1", "many", "", "1e3"])
def test_keep_runs_is_a_number(anyone, text):
    """Anything else starts nothing."""
    anyone.environment["OPENSHELL_KEEP_RUNS"] = text
    assert "usage" == callers.refused(anyone)["code"]
