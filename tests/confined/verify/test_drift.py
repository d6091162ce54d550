"""Planted drift is found: each a lie of the launch about one thing, with all of its own checks switched off."""

import errno
import re

import pytest

from pyopenshell.kernel import process
from tests.confined.landlock.harness import ABI
from tests.confined.launch import world
from tests.confined.verify import planted

READ = ("execute", "read_file", "read_dir")
VERIFY = ("--verify", "--name", "planted")


@pytest.fixture
def beside(sandbox):
    """A file beside the working folder, which everyone may read, and a policy that does not name it."""
    world.needs_namespaces()
    folder = sandbox.workdir / "granted"
    other = sandbox.workdir / "other"
    for path in (folder, other):
        path.mkdir(mode=0o777)
        path.chmod(0o777)
    secret = other / "secret"
    secret.write_text("secret")
    secret.chmod(0o666)
    return folder, other


def drift(done):
    """Return the drift that a run printed, after looking that it is one that ran nothing."""
    assert (125, "") == (done.returncode, done.stdout), done.stderr
    return [line for line in done.stderr.splitlines() if line.startswith("openshell: drift: ")]


def run(sandbox, plant, *arguments, **names):
    """Run a program that would leave a file, with a plant."""
    return planted.run(sandbox, *VERIFY, *arguments, "--", "/bin/echo", "ran", plant=plant, **names)


def test_without_a_plant_there_is_none(sandbox):
    """The harness alone changes nothing: the program runs."""
    done = run(sandbox, "")
    assert (0, "ran\n") == (done.returncode, done.stdout)
    assert "openshell: verified: " in done.stderr


def test_a_rule_left_out(sandbox):
    """The working folder is said to be granted, and is not."""
    found = drift(run(sandbox, planted.LEFT_OUT, WHICH="workdir:"))
    assert any(f"list {sandbox.workdir}:" in line and "the report says allowed" in line for line in found)


def test_a_rule_for_programs_left_out(sandbox):
    """The system's folder is said to be granted, and is not. Linux 6.14 lets one ask whether a file may be executed."""
    found = drift(run(sandbox, planted.LEFT_OUT, WHICH="baseline/process:/usr"))
    assert any("list /usr:" in line for line in found)
    asked = process.execute_errno("/usr/bin/env") != errno.EINVAL
    assert asked == any("execute /usr/" in line for line in found)


def test_a_rule_added(sandbox, beside):
    """A folder beside a granted one can be read."""
    folder, other = beside
    policy = world.policy((), (folder,), workdir=False)
    found = drift(run(sandbox, planted.ADDED, policy=policy, WHERE=str(other), RIGHTS=READ))
    assert [f"list {other} "] == [line[line.index("list ") : line.index("(")] for line in found]


def test_a_rule_that_gives_more(sandbox, beside):
    """A folder that is granted for reading can be written, as far as its mount allows: where there is none, all."""
    folder, _other = beside
    (folder / "file").write_text("")
    (folder / "file").chmod(0o666)
    sandbox.world = world.NO_MOUNTS
    policy = world.policy((folder,), (), workdir=False)
    rights = (*READ, "write_file", "make_dir", "make_char")
    found = drift(run(sandbox, planted.ADDED, policy=policy, WHERE=str(folder), RIGHTS=rights))
    verbs = {line.split(": ")[3].removesuffix(f" {folder}").split(" /")[0] for line in found}
    assert {"write", "make a folder", "make a character device"} == verbs
    assert ["file"] == [path.name for path in folder.iterdir()]  # what could be made was removed again


@pytest.mark.kernels
def test_write_file_on_proc(sandbox):
    """The widest grant there is, behind the report's back."""
    found = drift(run(sandbox, planted.ADDED, "--gpu", "0", WHERE="/proc", RIGHTS=("write_file",)))
    assert any("write /proc/self/oom_score_adj" in line for line in found)
    assert any("write /proc/<other pid>/comm" in line for line in found)


def test_a_readable_home(sandbox, beside):
    """The caller's home can be read."""
    _folder, other = beside
    sandbox.environment["HOME"] = str(other)
    found = drift(run(sandbox, planted.ADDED, policy=world.policy(workdir=False), WHERE=str(other), RIGHTS=READ))
    assert any(f"read {other}/secret (home {other})" in line for line in found)


@pytest.mark.kernels
def test_no_landlock(sandbox):
    """Nothing is closed."""
    assert any("list / " in line or "list /:" in line for line in drift(run(sandbox, planted.NO_LANDLOCK)))


def test_no_filter(sandbox):
    """Not one row holds, and /proc says that there is no filter."""
    found = drift(run(sandbox, planted.NO_FILTER))
    assert any("syscall filter" in line for line in found)
    assert any("call ptrace" in line for line in found)
    assert any("call io_uring_setup" in line for line in found)


@pytest.mark.parametrize("row", ["ptrace", "clone3", "socketpair", "open_by_handle_at", "ioctl"])
def test_a_row_left_out(sandbox, row):
    """One row is reported, and not in the program."""
    (found,) = drift(run(sandbox, planted.ROW_LEFT_OUT, WHICH=row))
    assert f"call {row}" in found


def test_a_broker_that_follows_any_path(sandbox):
    """It opens whatever it is asked for."""
    found = drift(run(sandbox, planted.FOLLOWS_ANY_PATH, "--gpu", "0"))
    assert any("write /proc/self/oom_score_adj" in line for line in found)


def test_a_broker_that_names_others(sandbox):
    """It opens the names of other processes, and nothing else. Without a pid namespace, also of the runtime's own."""
    found = drift(run(sandbox, planted.ANY_PROCESS, "--gpu", "0"))
    names = {"/proc/<other pid>/comm", "/proc/<other pid>/task/<other pid>/comm"}
    paths = {line.split(": ")[3].removeprefix("write ").partition(" (")[0] for line in found}
    assert names == {re.sub(r"\d+", "<other pid>", path) for path in paths}


@pytest.mark.parametrize("kind", ["net", "ipc", "pid"])
def test_a_shared_namespace(sandbox, kind):
    """A namespace is said to be the sandbox's own, and is the host's."""
    world.needs_namespaces()
    if kind == "pid":
        world.needs_root()  # to whom alone the kernel mounts a procfs of a namespace that is not theirs
    found = drift(run(sandbox, planted.SHARED, WHICH=kind))
    assert any(f"{kind} namespace: the report says not " in line for line in found)


def test_scopes_left_out(sandbox):
    """Without namespaces it is Landlock that keeps signals and abstract sockets apart."""
    if ABI < 6:
        pytest.skip("needs: Landlock ABI 6")
    sandbox.world = world.NO_NAMESPACES
    found = drift(run(sandbox, planted.NO_SCOPES))
    assert any("an abstract socket outside" in line for line in found)
    assert any(": signal " in line for line in found)


@pytest.mark.parametrize("right", ["ioctl_dev", "make_char", "read_dir"])
def test_a_right_that_is_not_handled(sandbox, beside, right):
    """Landlock does not look at it at all."""
    if right == "ioctl_dev" and ABI < 5:
        pytest.skip("needs: Landlock ABI 5")
    folder, _other = beside
    policy = world.policy((), (folder,), workdir=False)
    found = drift(run(sandbox, planted.NOT_HANDLED, policy=policy, RIGHTS=(right,)))
    words = {"ioctl_dev": "ioctl /dev/null", "make_char": "make a character device", "read_dir": "list "}
    assert any(words[right] in line for line in found)


def test_a_group_kept(sandbox):
    """A supplementary group that nobody reported."""
    world.needs_root()
    (found,) = drift(run(sandbox, planted.KEPT_GROUP))
    assert "groups: the report says " in found


def test_an_init_whose_memory_can_be_read(sandbox):
    """Its memory is a copy of the launcher's."""
    found = drift(run(sandbox, planted.DUMPABLE))
    assert any("core dumps" in line for line in found)
