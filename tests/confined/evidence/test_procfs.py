"""What each mode opens for writing, and that finding out writes nothing (docs/evidence/procfs.md)."""

import errno
import os
import tempfile

import pytest
from evidence import filter as promise
from evidence import harness, measure, probe

from pyopenshell.kernel import process, seccomp
from tests.confined.landlock.harness import WHO, identity, in_child, needs_landlock
from tests.confined.launch import world

pytestmark = needs_landlock

COMM = ("/proc/<pid>/comm", "/proc/<pid>/task/<tid>/comm")


@pytest.fixture(params=WHO)
def uid(request):
    """Whom the rules are around: root as it is, and an ordinary user."""
    return identity(request.param)


def test_off_opens_nothing(uid):
    """Without a grant no procfs file opens for writing."""
    assert () == measure.under_rules("off", uid=uid).opened


@pytest.mark.parametrize("threads", [1, 3])
def test_the_broker_opens_the_own_comm_files(uid, threads):
    """Through the broker just the process's own: one, and one for each of its threads. Nobody else's."""
    with measure.bystander(uid) as other:
        seen = measure.under_rules("broker", uid=uid, threads=threads, bystander=other)
    assert sorted((COMM[0], *(COMM[1],) * threads)) == sorted(seen.opened)


def test_write_file_opens_what_read_write_does(uid):
    """It is no narrower choice, and leaves nothing closed that file modes leave open but others' memory."""
    with measure.bystander(uid) as other:
        bare, declared, one_right = [
            measure.under_rules(mode, uid=uid, bystander=other) for mode in (harness.BARE, "read_write", "write_file")
        ]
    assert declared.opened == one_right.opened
    assert "/proc/<pid>/oom_score_adj" in one_right.opened
    assert "/proc/<other>/oom_score_adj" in one_right.opened
    assert "/proc/<other>/mem" not in one_right.opened
    assert set() == {path for path in set(bare.opened) - set(one_right.opened) if not path.startswith("/proc/<other>/")}


@pytest.mark.parametrize("namespaces", [True, False])
def test_a_launch_opens_what_its_rules_say(namespaces):
    """The command itself, as an ordinary user: two files through the broker, and the same ones by either rule."""
    if namespaces:
        world.needs_namespaces()
    user = measure.unused_id() if world.IS_ROOT else None
    with tempfile.TemporaryDirectory(prefix="openshell-test.", dir="/var/tmp") as folder:
        measure.make_folder(folder, user)
        seen = {mode: measure.launched(folder, mode, uid=user, namespaces=namespaces) for mode in harness.MODES}
    assert () == seen["off"].opened
    assert COMM == seen["broker"].opened
    assert seen["read_write"].opened == seen["write_file"].opened
    assert seen["write_file"].count > 10


def test_the_task_folder_does_not_cover_descendants(uid):
    """A rule on /proc/self/task is the first process's; the broker serves all."""
    told = measure.descendants(harness.TASK, uid)
    assert {"the first process", "another of its threads", "the first process, after an exec"} == {
        who for who, outcome in told.items() if outcome == "opens"
    }
    assert {"a child", "a grandchild", "a program that a child executed"} == {
        who for who, outcome in told.items() if outcome == "EACCES"
    }
    assert {"opens"} == set(measure.descendants("broker", uid).values())


def test_looking_changes_nothing(workdir):
    """The same walk through a folder with things that would show it: content and times stay, a pipe does not block."""
    (workdir / "file").write_text("content")
    (workdir / "closed").touch(mode=0)
    os.mkfifo(workdir / "pipe")
    (workdir / "link").symlink_to("missing")
    before = _state(workdir)
    seen = measure.under_rules(harness.BARE, root=str(workdir))
    assert before == _state(workdir)
    assert "content" == (workdir / "file").read_text()
    assert f"{workdir}/file" in seen.opened
    assert {"pipes": 1, "symbolic links": 1} == seen.passed


def _state(folder):
    """What is in a folder, without the times of access."""
    found = {path.name: path.lstat() for path in folder.iterdir()}
    return {name: (stat.st_mode, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns) for name, stat in found.items()}


def test_a_probe_cannot_write(workdir):
    """Its filter refuses every way to write to a file, to empty one or to make one; opening it for writing works."""
    path = str(workdir / "file")
    (workdir / "file").write_text("content")

    def attempts():
        fd = os.open(path, os.O_RDWR)
        process.set_no_new_privs()
        seccomp.install(promise.program())
        ways = (
            lambda: os.write(fd, b"x"),
            lambda: os.pwrite(fd, b"x", 0),
            lambda: os.writev(fd, [b"x"]),
            lambda: os.ftruncate(fd, 0),
            lambda: os.truncate(path, 0),
            lambda: os.open(path, probe.FLAGS | os.O_TRUNC),
            lambda: os.open(f"{path}.new", probe.FLAGS | os.O_CREAT),
            lambda: os.close(os.open(path, probe.FLAGS)),
        )
        return [_errno(way) for way in ways]

    assert [errno.EPERM] * 7 + [0] == _told(attempts)
    assert "content" == (workdir / "file").read_text()


def _errno(way):
    try:
        way()
    except OSError as error:
        return error.errno
    return 0


def _told(action):
    """Run it in a child that answers by standard output, where alone it can write."""

    def child():
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.dup2(writer, 1)
            os.write(1, bytes(action()))
            os._exit(0)
        os.close(writer)
        told = os.read(reader, 100)
        os.waitpid(pid, 0)
        return list(told)

    return in_child(child)
