"""The caller changes, or ends, while the broker works on its call: nothing but an own name file can come of it."""

import os
import resource
import signal

import pytest

from pyopenshell.seccomp.broker import MAX_PROCESSES
from tests.confined.broker import harness, inside, kernels
from tests.confined.landlock.harness import bystander

pytestmark = harness.needs_landlock
ROUNDS = 4000
"""For each target: 20,000 in all."""
TARGETS = {
    "own oom_score_adj": "/proc/self/oom_score_adj",
    "a sysctl": "/proc/sys/kernel/hostname",
    "another process": "/proc/OTHER/comm",
    "another process's thread": "/proc/OTHER/task/OTHER/comm",
    "a file that may be written": "FOLDER/file",
}


@pytest.mark.parametrize("target", TARGETS)
def test_flipped_paths(target, compiled, workdir):
    """Another thread changes the path during the call: an own name, what Landlock allows, or a refusal."""
    os.chmod(workdir, 0o777)
    (workdir / "file").touch()
    (workdir / "file").chmod(0o666)
    with bystander(None if os.getuid() else harness.NOBODY) as other:
        path = TARGETS[target].replace("OTHER", str(other)).replace("FOLDER", str(workdir))
        served = harness.run([compiled("flip"), str(ROUNDS), path], writable=workdir)
    mine, allowed, denied, wrong = map(int, served.output.split())
    assert (0, 0) == (served.code, wrong)
    writable = path.startswith(str(workdir))
    assert (True, writable) == (mine > ROUNDS // 20, allowed > ROUNDS // 20), served.output
    assert denied > (0 if writable else ROUNDS // 20), served.output
    assert mine == served.counts["granted"]


@pytest.mark.parametrize("folder", ["cwd", "fd"])
@pytest.mark.parametrize("target", ["another process", "a file that may be written"])
def test_flipped_folders(target, folder, compiled, workdir):
    """The same where the folder changes that a relative path starts from, the working one or a descriptor."""
    os.chmod(workdir, 0o777)
    (workdir / "comm").touch()
    (workdir / "comm").chmod(0o666)
    with bystander(None if os.getuid() else harness.NOBODY) as other:
        path = {"another process": f"/proc/{other}/comm", "a file that may be written": f"{workdir}/comm"}[target]
        served = harness.run([compiled("flip"), str(ROUNDS), path, folder], writable=workdir)
    mine, allowed, _denied, wrong = map(int, served.output.split())
    assert (0, 0) == (served.code, wrong)
    assert (True, path.startswith(str(workdir))) == (mine > ROUNDS // 20, allowed > ROUNDS // 20), served.output


@pytest.mark.parametrize("kind", [harness.KINDS[0], harness.KINDS[1]], ids=str)
@pytest.mark.parametrize("way", ["exit", "exec", "kill"])
def test_ends_amidst_its_calls(kind, way, compiled):
    """A process ends, is killed or executes while three threads open: the next one is served, and no one blamed."""
    served = harness.run([compiled("storm"), "300", "4", way], kind)
    assert (0, "failed 0\n") == (served.code, served.output)
    assert {"granted", "interrupted"} >= set(served.counts)
    assert {"granted"} == {use.kind for use in served.uses}


@pytest.mark.parametrize("kind", [harness.KINDS[0], harness.KINDS[3]], ids=str)
def test_fork_storm(kind, compiled):
    """3,000 short processes, 16 at once: each is served, the broker keeps neither descriptors nor memory for them."""
    if os.getuid():
        pytest.skip("needs: root")  # who may count the broker's descriptors
    with harness.start([compiled("storm"), "3000", "16"], kind, hold=True) as served:
        served.take()
        before = _resident(served.ancestor)
        served.until_output_ends()
        after, descriptors = _resident(served.ancestor), len(os.listdir(f"/proc/{served.ancestor}/fd"))
        served.finish()
    assert (0, "failed 0\n", {"granted": 3000}) == (served.code, served.output, served.counts)
    assert descriptors < MAX_PROCESSES + 16
    assert after - before < 512 << 10, "it grew"
    assert 3000 == len(served.uses) + served.untold
    assert len(served.uses) <= 1000


def _resident(pid):
    """Bytes of memory that are no file's."""
    with open(f"/proc/{pid}/status") as file:
        fields = dict(line.split(":", 1) for line in file.read().splitlines())
    return int(fields["RssAnon"].split()[0]) << 10


@pytest.mark.parametrize("kernel", [int, kernels.linux_5_9], ids=["all there", "linux_5_9"])
def test_stopped_callers(kernel):
    """A process that is stopped in the middle of its opens holds up nobody else's."""

    def workload():
        pid = os.fork()
        while pid == 0:
            inside.attempt(inside.by_openat, inside.CWD, "/proc/self/comm")
        answers = set()
        for _ in range(500):
            os.kill(pid, signal.SIGSTOP)
            answers.add(inside.attempt(inside.by_openat, inside.CWD, "/proc/self/comm"))
            os.kill(pid, signal.SIGCONT)
            answers.add(inside.attempt(inside.by_openat, inside.CWD, "/proc/self/comm"))
        os.kill(pid, signal.SIGKILL)
        return sorted(answers), os.waitpid(pid, 0)[1]

    served = harness.run(workload, ancestor=kernel)
    assert (["ok"], signal.SIGKILL) == served.answer
    assert {"granted", "interrupted"} >= set(served.counts)


@pytest.mark.parametrize("restart", [False, True])
def test_signals(restart, compiled):
    """At a thousand signals a second each of 5,000 opens succeeds, or is EINTR where the program asked for that."""
    served = harness.run([compiled("interrupted"), "5000", str(int(restart))])
    granted, interrupted, wrong, left, signals = map(int, served.output.split())
    assert (5000, 0, 0) == (granted + interrupted, wrong, left)
    assert signals > 20
    assert served.counts["granted"] >= granted
    assert {"granted", "interrupted"} >= set(served.counts)


@pytest.mark.parametrize("kind", harness.KINDS, ids=str)
def test_a_full_table(kind):
    """Without a free descriptor the caller gets EMFILE, and with one again it is served."""

    def workload():
        resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))
        taken = []
        while (answer := inside.attempt(lambda: taken.append(os.dup(1)))) == "ok":
            pass
        full = inside.attempt(inside.by_openat, -100, "/proc/self/comm")
        os.close(taken.pop())
        return answer, full, inside.attempt(inside.by_openat, -100, "/proc/self/comm")

    served = harness.run(workload, kind)
    assert ("EMFILE", "EMFILE", "ok") == served.answer
    assert {"no-descriptor": 1, "granted": 1} == served.counts
