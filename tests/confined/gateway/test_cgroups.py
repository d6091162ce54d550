"""Limits by cgroups on the real kernel: they hold, they are counted, and nothing is left of them."""

import errno
import os
import signal
import subprocess
import sys
from typing import Any

import pytest

from pyopenshell import runs
from pyopenshell.devices import cgroups as devices
from pyopenshell.effective.limits import asked
from pyopenshell.errors import LaunchError, PolicyRefused
from pyopenshell.launch import cgroups, cgroups_files, cgroups_v2
from tests.confined.landlock.harness import NOBODY
from tests.confined.launch import world
from tests.unit.effective.cases import composed

MIB = 1 << 20
HOG = "x = bytearray(200 << 20)"
BURN = "import time\nwhile time.process_time() < 0.2: pass"
FORKS = """
import os, sys
for number in range(1000):
    try:
        pid = os.fork()
    except BlockingIOError:
        print(number, flush=True)
        sys.stdin.read()
    if pid == 0:
        sys.stdin.read()
        os._exit(0)
"""
BOMB = "f() { f | f & }; f & echo ready; while :; do :; done"


def effective(**limits):
    """Return a plan with these limits, for a run of its own."""
    wanted = (limits.get("cpu"), limits.get("memory"), limits.get("pids"))
    return composed(
        run_id=runs.new_id(), limits=asked(*wanted), compatibility=limits.get("compatibility", "best_effort")
    )


def prepared(**limits: int) -> Any:
    """Make a cgroup with these limits."""
    return cgroups.prepare(effective(**limits))


@pytest.fixture
def limited():
    """Make cgroups, and see to it that nothing is left of them."""
    made = []

    def limit(**limits):
        if missing := set(limits) - set(devices.read().writable):
            pytest.skip(f"needs: cgroups to divide, with {' and '.join(sorted(missing))}")
        found: Any = cgroups.prepare(effective(**limits))
        made.append(found)
        assert {"enforced"} == {one.status for one in found.effective.limits}
        return found

    yield limit
    for one in made:
        assert () == one.remove()
        assert [] == [folder for folder in one.folders if os.path.exists(folder)]


@pytest.fixture
def joined():
    """Start programs that wait until they are in a cgroup."""
    started = []

    def start(cgroup, *program):
        argv = ("/bin/sh", "-c", 'read go && exec "$@"', "sh", *program)
        process: Any = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        started.append(process)
        cgroup.join(process.pid)
        process.stdin.write(b"\n")
        process.stdin.flush()
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_memory(limited, joined):
    """Who takes more than there is to have is killed, that is counted, and the peak is not above the limit."""
    cgroup = limited(memory=64 * MIB)
    hog = joined(cgroup, sys.executable, "-I", "-S", "-c", HOG)
    assert -signal.SIGKILL == hog.wait(world.SECONDS)
    used = cgroup.usage()
    assert 1 <= used.oom_kills
    assert 32 * MIB < used.memory_peak <= 64 * MIB
    (limit,) = cgroup.effective.limits
    assert ("enforced", 64 * MIB) == (limit.status, limit.actual)


def test_processors(limited, joined):
    """Who uses its share up has to wait for the next one; the kernel counts how often."""
    cgroup = limited(cpu=0.2)
    burning = joined(cgroup, sys.executable, "-I", "-S", "-c", BURN)
    assert burning.wait(world.SECONDS) == 0
    used = cgroup.usage()
    assert used.throttled > 0
    assert used.cpu is None or used.cpu >= 100_000
    assert 200 == cgroup.effective.limits[0].actual


def test_processes(limited, joined):
    """The one too many is refused with EAGAIN, and counted."""
    cgroup = limited(pids=12)
    forking = joined(cgroup, sys.executable, "-I", "-S", "-c", FORKS)
    assert b"11\n" == forking.stdout.readline()
    assert (12, True) == (cgroup.usage().pids, cgroup.usage().pids_refused > 0)


def test_a_fork_bomb_is_ended(limited, joined):
    """However fast it forks, all of it is gone when the cgroup is."""
    cgroup = limited(pids=40)
    bomb = joined(cgroup, "/bin/sh", "-c", BOMB)
    assert b"ready\n" == bomb.stdout.readline()
    assert () == cgroup.remove()
    assert -signal.SIGKILL == bomb.wait(world.SECONDS)


def test_what_was_made_beneath_goes_too(limited, joined):
    """A program that may divide its own cgroup hides nothing in there."""
    cgroup = limited(pids=40)
    inner = f"{cgroup.folders[0]}/inner/inmost"
    os.makedirs(inner)
    waiting = joined(cgroup, "/bin/sleep", "1000")
    with open(f"{inner}/cgroup.procs", "w") as file:
        file.write(str(waiting.pid))
    assert () == cgroup.remove()
    assert -signal.SIGKILL == waiting.wait(world.SECONDS)


def test_one_that_is_gone_cannot_be_joined(limited):
    """Somebody else removed it: the launch fails, and says which one it was."""
    cgroup = limited(pids=40)
    assert () == cgroup.remove()
    with pytest.raises(LaunchError) as raised:
        cgroup.join(os.getpid())
    assert ("cgroup", errno.ENOENT) == (raised.value.step, raised.value.errno)
    assert cgroup.folders[0] in raised.value.message


def in_child(action):
    """Do something in a child that ends at once, and return the text that it gives."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(write, action().encode())
        finally:
            os._exit(0)
    os.close(write)
    with open(read) as pipe:
        text = pipe.read()
    os.waitpid(pid, 0)
    return text


def test_those_of_dead_supervisors_are_swept(limited, monkeypatch):
    """What nobody holds any more goes, with what is in it; what somebody holds stays."""
    kept = limited(pids=40)
    left = in_child(lambda: "\n".join(prepared(pids=40).folders)).split()
    assert left
    assert () == cgroups.sweep()
    assert all(map(os.path.isdir, left))  # too young: whoever made it may be about to lock it
    monkeypatch.setattr(cgroups, "YOUNG", -1)
    assert () == cgroups.sweep()
    assert ([], [True] * len(kept.folders)) == (
        [one for one in left if os.path.exists(one)],
        [*map(os.path.isdir, kept.folders)],
    )


def test_a_lock_that_is_handed_on(limited):
    """Who made the cgroup may leave it to another process: it counts as in use until that is gone, too."""
    made = limited(pids=40)
    heir = cgroups.Cgroup(None, made.folders, [os.dup(lock) for lock in made.locks])
    made.leave()
    assert () == cgroups.discard(made.folders)
    assert all(map(os.path.isdir, made.folders))
    heir.leave()
    assert () == cgroups.discard(made.folders)
    assert not any(map(os.path.isdir, made.folders))


def test_a_record_names_what_is_left(limited):
    """Found by its record, one that nobody holds is removed at once; one that is held, or is none of ours, is not."""
    kept = limited(pids=40)
    left = in_child(lambda: "\n".join(prepared(pids=40).folders)).split()
    others = f"{os.path.dirname(kept.folders[0])}/test-{os.getpid()}"
    os.mkdir(others)
    try:
        assert () == cgroups.discard([*left, *kept.folders, others])
        assert ([], True, True) == (
            [one for one in left if os.path.exists(one)],
            *map(os.path.isdir, (kept.folders[0], others)),
        )
    finally:
        os.rmdir(others)


@pytest.mark.skipif(not world.IS_ROOT, reason="needs: root")
def test_an_ordinary_user_is_told():
    """Without a cgroup of its own to divide it gets none of the limits, a finding for each, and nothing is made."""

    def as_nobody():
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setgroups([])
        os.setresuid(NOBODY, NOBODY, NOBODY)
        made: Any = cgroups.prepare(effective(cpu=1, memory=64 * MIB, pids=40))
        about = [one.severity for one in made.effective.findings if one.code == "outcome.limit"]
        return repr((made.folders, [one.status for one in made.effective.limits], about, made.remove()))

    assert repr(((), ["skipped"] * 3, ["Medium"] * 3, ())) == in_child(as_nobody)


def test_hard_requirement_refuses():
    """Where a limit cannot be had the launch is refused, and what could be had is removed again."""
    found = {name: place for name, place in devices.hierarchies().items() if name != "memory"}
    wanted = effective(memory=64 * MIB, pids=40, compatibility="hard_requirement")
    with pytest.raises(PolicyRefused) as raised:
        cgroups.prepare(wanted, found)
    assert "policy.hard-requirement" == raised.value.code
    assert "memory 64 MiB: no memory controller is mounted here" in raised.value.message
    parents = [place.own for place in found.values()]
    name = cgroups.PREFIX + wanted.run_id.lower()
    assert [] == [parent for parent in parents if os.path.exists(f"{parent}/{name}")]


@pytest.fixture
def unified():
    """A cgroup of version 2 that may have a controller, beneath the root of that hierarchy: its folder, and that."""
    world.needs_root()
    with open("/proc/self/mountinfo") as file:
        point: Any = next((line.split()[4] for line in file if " - cgroup2 " in line), None)
    names = cgroups_files.read(f"{point}/cgroup.controllers").split() if point else []
    if not names or not os.access(f"{point}/cgroup.subtree_control", os.W_OK):
        pytest.skip("needs: a controller of cgroup version 2")
    was_on = names[0] in cgroups_files.read(f"{point}/cgroup.subtree_control").split()
    if refused := cgroups_v2.hand_on(point, names[:1], is_top=False):
        pytest.skip(f"needs: a controller of cgroup version 2 ({refused[names[0]]})")
    folder = f"{point}/test-{os.getpid()}"
    os.mkdir(folder)
    yield folder, names[0]
    for place in (f"{folder}/{cgroups_v2.LEAF}", folder):
        if os.path.isdir(place):
            os.rmdir(place)
    if not was_on:
        cgroups_files.write(f"{point}/cgroup.subtree_control", f"-{names[0]}")


@pytest.mark.parametrize("delegated", [True, False])
def test_version_2_divides_only_what_is_its_own(unified, delegated):
    """A delegated cgroup's processes are moved into a leaf, so that it can hand a controller on; another's are left."""
    folder, controller = unified
    if delegated:
        os.setxattr(folder, "trusted.delegate", b"1")
    waiting = subprocess.Popen(["/bin/sleep", "1000"])
    try:
        cgroups_files.write(f"{folder}/cgroup.procs", str(waiting.pid))
        refused = cgroups_v2.hand_on(folder, [controller], is_top=False)
        with open(f"/proc/{waiting.pid}/cgroup") as file:
            own = next(line.strip() for line in file if line.startswith("0::")).rpartition("/")[2]
        on = cgroups_files.read(f"{folder}/cgroup.subtree_control").split()
    finally:
        waiting.kill()
        waiting.wait()
    expected = ({}, cgroups_v2.LEAF, [controller]) if delegated else ([controller], os.path.basename(folder), [])
    assert expected == (refused if delegated else list(refused), own, on)


def test_version_2_kills_at_once(unified):
    """What is left of a run in a cgroup of version 2 is ended by cgroup.kill."""
    folder = f"{os.path.dirname(unified[0])}/{cgroups.PREFIX}{runs.new_id().lower()}"
    os.mkdir(folder)
    waiting = subprocess.Popen(["/bin/sleep", "1000"])
    try:
        cgroups_files.write(f"{folder}/cgroup.procs", str(waiting.pid))
        assert () == cgroups.discard([folder])
        assert -signal.SIGKILL == waiting.wait(world.SECONDS)
    finally:
        waiting.kill()
        waiting.wait()
