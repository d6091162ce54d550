"""What is shown at another path lies on nothing that is not the spec's to change, and leaves nothing on the host."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from tests.confined.gpu import hosts
from tests.confined.landlock.harness import needs_landlock
from tests.confined.launch import world

pytestmark = needs_landlock


@pytest.fixture
def place(anyone):
    """A folder outside of what is hidden in a sandbox: ``host`` and ``declared``, a file and a folder in each."""
    world.needs_namespaces()
    path = Path(tempfile.mkdtemp(prefix="openshell-test.", dir="/var/tmp"))
    path.chmod(0o755)
    for name in ("host", "declared"):
        (path / name / "in").mkdir(parents=True)
        for file in ("file", "in/file"):
            (path / name / file).write_text(name)
    for found in (path, *path.rglob("*")):
        os.chown(found, anyone.workdir.stat().st_uid, -1)
    yield path
    shutil.rmtree(path)


def device(folder, *mounts, nodes=()):
    """Return the options that give a sandbox these mounts: (what, where, options…)."""
    edits = {"mounts": [hosts.mount(*one) for one in mounts], "deviceNodes": [*nodes]}
    return ("-n", "elsewhere", "--cdi-spec-dir", hosts.spec(folder, {"x": edits}), "--device", hosts.named("x"))


def statuses(anyone):
    """Return the statuses of what the device asked for, by path."""
    grants = anyone.record("elsewhere").effective["grants"]
    return {grant["path"]: grant["status"] for grant in grants if grant["origin"]["kind"] == "cdi"}


OWN = ("/", "/run", "/tmp", "/dev/shm", "/dev", "/proc", "/proc/new", "/sys", "/sys/new", "/dev/pts", "/run/openshell",
       "/run/openshell/home", "/run/openshell/new")  # fmt: skip


@pytest.mark.parametrize("option", ["ro", "rw"])
def test_what_the_sandbox_has_of_its_own(anyone, folder, place, option):
    """None of it is replaced, and nothing is made on the host, by whatever path; the sandbox starts all the same."""
    mounts = [(place / "host", at, option) for at in OWN]
    before = sorted(place.rglob("*"))
    found = anyone.ask(
        "answer = [attempt(os.listdir, '/'), os.environ['HOME'], sorted(os.listdir('/proc/self/fd')) != []]",
        *("-q", *device(folder, *mounts)),
        policy=world.policy(workdir=False),
    )
    assert ["EACCES", "/run/openshell/home", True] == found
    assert {"skipped"} == set(statuses(anyone).values())
    assert before == sorted(place.rglob("*"))


DECLARED = [
    ("read_only", "declared/file", "host/file", "declared/file", "ro"),
    ("read_only", "declared", "host", "declared", "ro"),
    ("read_only", "declared/in", "host", "declared", "ro"),
    ("read_write", "declared", "host", "declared", "ro"),
    ("read_write", "declared/in", "host", "declared", "rw"),
    ("read_write", "declared", "host", "declared/in", "ro"),
    ("read_write", "declared", "host", "declared/new", "ro"),
]
"""How something is declared, what; what would be shown, where, and how."""


@pytest.mark.parametrize(("word", "path", "host", "at", "option"), DECLARED)
def test_what_is_declared_stays_as_it_is(anyone, folder, place, word, path, host, at, option):
    """The declared file or folder is the host's own, and no other is seen in it."""
    policy = world.policy(**{word: (place / path,)}, workdir=False)
    shown = device(folder, (place / host, place / at, option))
    file = place / path if (place / path).is_file() else place / path / ("file" if path != "declared/new" else "")
    code = "answer = [open(given['file']).read(), os.path.lexists(given['new'])]"
    found = anyone.ask(code, "-q", *shown, policy=policy, file=file, new=place / "declared/new")
    assert ["declared", False] == found
    assert {str(place / at): "skipped"} == statuses(anyone)


def test_another_way_to_what_is_read_only(anyone, folder, place):
    """A folder that holds a declared read-only one is not shown writable, nor a declared device by another name."""
    nodes = hosts.nodes(folder, "nvidia0")
    node = hosts.node("/dev/alias", nodes / "nvidia0")
    shown = device(folder, (place / "host", "/opt/openshell-test", "rw"), nodes=[node])
    policy = world.policy(read_only=(place / "host/in", nodes / "nvidia0"))
    code = "answer = [os.path.lexists(path) for path in ('/opt/openshell-test', '/dev/alias')]"
    assert [False, False] == anyone.ask(code, "-q", *shown, policy=policy)
    findings = anyone.record("elsewhere").effective["findings"]
    told = {one["code"] for one in findings if (one["grant"] or "").startswith("cdi/")}
    assert {"baseline.declared-read-only", "baseline.encloses-read-only"} == told


def test_the_working_folder(anyone, folder, place):
    """It is the one the caller stands in, also where a spec would show another there, or around it."""
    shown = device(folder, (place / "host", place / "declared", "rw"))
    done = anyone.run("-q", *shown, "-C", place / "declared/in", "--", "cat", "file", policy=world.policy())
    assert (0, "declared") == (done.returncode, done.stdout)


def test_a_home_folder(root, folder, place):
    """A stand-in has the owner and the mode of its folder: what is declared beneath is still reached."""
    home = place / "host"
    os.chown(home, 4321, 4321)
    os.chown(home / "in", 4321, 4321)
    home.chmod(0o700)
    shown = device(folder, ("/etc/hostname", home / "new", "ro"))
    policy = world.policy(read_only=(home / "in",), workdir=False, process={"run_as_user": "4321"})
    done = root.run("-q", *shown, "-C", "/", "--", "cat", home / "in/file", home / "new", policy=policy)
    assert (0, "host" + Path("/etc/hostname").read_text()) == (done.returncode, done.stdout), done.stderr


def test_several_of_them(anyone, folder, place):
    """One in another is skipped; what is granted for writing stays so, and nothing is made in it."""
    (place / "own").mkdir()
    os.chown(place / "own", anyone.workdir.stat().st_uid, -1)
    shown = device(
        folder,
        (place / "host", "/opt/openshell-test", "ro"),
        (place / "declared", "/opt/openshell-test/in", "ro"),
        (place / "own", place / "own", "rw"),
        ("/etc/hostname", place / "own/new", "ro"),
    )
    code = "answer = [open('/opt/openshell-test/in/file').read(), attempt(os.mkdir, given['made'])]"
    assert ["host", "ok"] == anyone.ask(code, "-q", *shown, made=place / "own/made")
    assert (place / "own/made").is_dir()
    assert ["enforced", "skipped", "enforced", "skipped"] == [*statuses(anyone).values()]


def test_both_names_are_told(anyone, folder, place):
    """A rule knows the file: ``why`` says of either path what the kernel does, and a verification agrees."""
    from tests.confined.whole import callers

    nodes = hosts.nodes(folder, "nvidia0")
    one = hosts.node("/dev/one", nodes / "nvidia0", "r")
    two = hosts.node("/dev/two", nodes / "nvidia0", "rw")
    shown = device(folder, (place / "host", "/opt/openshell-test", "ro"), nodes=[one, two])
    done = anyone.run(*shown, "--verify", "--", "/usr/bin/true", policy=world.policy(workdir=False))
    assert (0, True) == (done.returncode, "openshell: verified:" in done.stderr), done.stderr
    found = hosts.opened(anyone, ("/dev/one", "/dev/two"), *shown, policy=world.policy(workdir=False))
    assert {"opened, ioctl ENOTTY"} == set(found.values())
    asked = [("--write", "/dev/one"), ("--read", place / "host/file"), ("--read", "/opt/openshell-test/in/file")]
    for flag, path in asked:
        assert 0 == callers.verb(anyone, "why", "--name", "elsewhere", flag, str(path)).returncode, path
    assert 1 == callers.verb(anyone, "why", "--name", "elsewhere", "--read", str(place / "declared/file")).returncode
    assert "cdi.second-name" in anyone.record("elsewhere").findings
    full = callers.verb(anyone, "policy", "get", "elsewhere", "--full").stdout
    assert f"/opt/openshell-test = {place}/host of the host" in full


def test_paths_of_the_kernel_and_new_ones(anyone, folder, place):
    """The kernel's own is shown nowhere else; what is new at the root, or very deep, is skipped, and all else works."""
    deep = "/opt" + "/d" * 1500
    shown = device(
        folder, ("/proc", "/opt/openshell-test", "ro"), (place, "/openshell-test/x", "ro"), (place, deep, "ro")
    )
    assert 0 == anyone.run("-q", *shown, "--", "/usr/bin/true").returncode
    assert {"skipped"} == set(statuses(anyone).values())


def test_procfs_is_never_writable(anyone, folder):
    """Not by a device: only a declaration, or the runtime's own addition, which are told apart."""
    shown = device(folder, ("/proc", "/proc", "rw"))
    code = "answer = attempt(os.open, '/proc/self/oom_score_adj', os.O_WRONLY)"
    assert "EACCES" == anyone.ask(code, "-q", *shown)


def test_what_only_calls_itself_a_fifo(anyone, folder, place):
    """A type that the host's file does not have opens nothing."""
    node = hosts.node(place / "host", type="p")
    code = "answer = attempt(open, given['file'])"
    assert "EACCES" == anyone.ask(code, "-q", *device(folder, nodes=[node]), file=place / "host/file")


def test_terminals_still_work(anyone, folder):
    """A new node in /dev makes a stand-in of it: new terminals are made there as before."""
    world.needs_namespaces()
    node = hosts.node("/dev/openshell-test", "/dev/zero")
    code = "import pty\nanswer = [os.isatty(fd) for fd in pty.openpty()]"
    assert [True, True] == anyone.ask(code, "-q", *device(folder, nodes=[node]))


def test_what_is_granted_for_its_own_sake(anyone, folder, place):
    """A rule of another grant never comes to stand on what is shown: that is skipped."""
    nodes = hosts.nodes(folder, "nvidia0")
    shown = [hosts.node("/dev/null", nodes / "nvidia0", "r"), hosts.node(place / "own/dev", nodes / "nvidia0", "r")]
    (place / "own").mkdir()
    (place / "own/dev").touch()
    os.chown(place / "own", anyone.workdir.stat().st_uid, -1)
    mounts = [(place / "own", place / "own", "rw"), (place / "host", place / "declared", "ro"),
              (place / "declared/in", place / "declared/in", "rw")]  # fmt: skip
    code = """
answer = [attempt(os.open, '/dev/null', os.O_RDWR), os.path.getsize(given['dev']), open(given['file']).read()]
"""
    given = {"dev": place / "own/dev", "file": place / "declared/in/file"}
    assert ["ok", 0, "declared"] == anyone.ask(code, "-q", *device(folder, *mounts, nodes=shown), **given)
    assert {"/dev/null": "skipped", str(place / "own/dev"): "skipped", str(place / "declared"): "skipped"} == {
        path: status for path, status in statuses(anyone).items() if status == "skipped"
    }


def test_links_that_an_earlier_run_may_have_made(anyone, folder, place):
    """What leads through a link in a folder that the sandbox may write is skipped, as source and as target."""
    (place / "declared/link").symlink_to(place / "host")
    mounts = [
        (place / "declared/link", place / "declared/link", "rw"),
        (place / "declared/link", "/opt/openshell-test", "ro"),
    ]
    code = "answer = [attempt(os.listdir, path) for path in (given['host'], '/opt/openshell-test')]"
    policy = world.policy(read_write=(place / "declared",))
    found = anyone.ask(code, "-q", *device(folder, *mounts), policy=policy, host=place / "host")
    assert ["EACCES", "ENOENT"] == found
    assert {"skipped"} == set(statuses(anyone).values())


def test_what_is_mounted_beneath_stays_behind(root, folder, place):
    """A driver's root has procfs and devices mounted in it: they are the host's, and were not asked for."""
    from tests.confined.whole import callers

    mounted = callers.tmpfs(place / "host/in")
    secret = place / "host/in/secret"
    shown = device(folder, (place / "host", "/opt/openshell-test", "rw", "rbind"))
    code = "answer = [os.listdir('/opt/openshell-test/in'), open('/opt/openshell-test/file').read()]"
    options = {"preexec_fn": callers.in_own_mounts(mounted, secret.touch)}
    assert [["file"], "host"] == root.ask(code, "-q", *shown, options=options)


def test_a_mount_allows_no_more_than_its_grant(anyone, folder, place):
    """Alone without execute, in a folder with it: each path as it was asked for, and a verification agrees."""
    program = place / "host/program"
    shutil.copy("/usr/bin/true", program)
    shown = device(
        folder, (program, place / "declared/program", "ro", "noexec"), (place / "host", "/opt/openshell-test", "ro")
    )
    done = anyone.run(
        *shown, "--verify", "--", "/bin/sh", "-c", "/opt/openshell-test/program", policy=world.policy(workdir=False)
    )
    assert (0, True) == (done.returncode, "openshell: verified:" in done.stderr), done.stderr
    done = anyone.run(
        "-q", *shown, "--", "/bin/sh", "-c", f"{place}/declared/program", policy=world.policy(workdir=False)
    )
    assert 126 == done.returncode


def test_a_command_that_only_the_device_brings(anyone, folder, place):
    """``nvidia-smi`` of a driver that lives in a container: found by its name, or by its path in the sandbox."""
    shutil.copy("/usr/bin/echo", place / "host/smi")
    shown = device(folder, (place / "host/smi", "/usr/bin/openshell-test-smi", "ro", "nosuid", "bind"))
    for name in ("openshell-test-smi", "/usr/bin/openshell-test-smi"):
        done = anyone.run("-q", *shown, "--", name, "works")
        assert (0, "works\n") == (done.returncode, done.stdout), done.stderr
    done = anyone.run("-q", *shown, "--", "openshell-test-other")
    assert 127 == done.returncode
