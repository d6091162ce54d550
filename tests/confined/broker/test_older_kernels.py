"""The broker where the kernel lacks what it would use, and the trial where it lacks what it must have."""

import errno
import os

import pytest

from pyopenshell.effective.model import Identity
from pyopenshell.launch.broker_trial import BrokerTrial
from tests.confined.broker import harness, inside, kernels
from tests.confined.broker.features import features, yama
from tests.confined.landlock.harness import in_child

LACKING = {
    # what is not there, and what the broker then says of the kernel: killable, in step
    kernels.without_killable: (False, True),
    kernels.without_one_step: (True, True),
    kernels.without_turns: (True, False),
    kernels.linux_5_9: (False, False),
}


def each(test):
    """Try a test with each of them."""
    kernel = pytest.mark.parametrize("kernel", LACKING, ids=lambda kernel: kernel.__name__)
    return harness.needs_landlock(kernel(test))


@each
@pytest.mark.parametrize("kind", [harness.KINDS[0], harness.KINDS[3]], ids=str)
def test_grants_and_refusals(kind, kernel):
    """The same is granted and refused, with the same errno and the same flags, and the kernel is described."""

    def workload():
        with inside.thread() as tid:
            fd = inside.by_openat(-100, f"/proc/self/task/{tid}/comm", os.O_RDWR | os.O_CLOEXEC)
            os.write(fd, b"older")
            plain = inside.by_openat(-100, "/proc/self/comm")
            return (
                (fd, plain, os.get_inheritable(fd), os.get_inheritable(plain), inside.called(tid)),
                inside.attempt(inside.by_openat, -100, "/proc/1/comm"),
                inside.attempt(inside.by_openat, -100, "/proc/self/oom_score_adj"),
            )

    served = harness.run(workload, kind, ancestor=kernel)
    descriptors, *refused = served.answer
    free = descriptors[0]
    assert (free, free + 1, False, True, "older") == descriptors
    assert ["EACCES", "EACCES"] == refused
    assert {"granted": 2, "other-process": 1, "passed": 1} == served.counts
    killable, in_step = LACKING[kernel]
    found = features()  # this kernel may be an older one itself
    expected = (killable and found["wait_killable"], in_step and found["sync_wake_up"])
    assert expected == (served.serving.killable, served.serving.in_step)


@each
def test_threads_at_once(kernel, compiled):
    """A hundred threads name each other without an error."""
    served = harness.run([compiled("threads"), "100", "10"], ancestor=kernel)
    assert (0, "failed 0 wrong 0\n") == (served.code, served.output)


@each
@pytest.mark.parametrize("restart", [False, True])
def test_signals(kernel, restart, compiled):
    """Each of 5,000 opens succeeds, or is EINTR where the program asked for that; nothing else.

    Only where both are missing, killable waiting and the single step, can an interrupted open leave a descriptor.
    """
    served = harness.run([compiled("interrupted"), "5000", str(int(restart))], ancestor=kernel)
    granted, interrupted, wrong, left, signals = map(int, served.output.split())
    assert (5000, 0) == (granted + interrupted, wrong)
    assert left == 0 or kernel is kernels.linux_5_9
    assert left <= served.counts.get("interrupted", 0)
    assert signals > 20
    assert {"granted", "interrupted"} >= set(served.counts)


@each
def test_races(kernel, compiled):
    """Flipped paths give no other file."""
    served = harness.run([compiled("flip"), "2000", "/proc/self/oom_score_adj"], ancestor=kernel)
    mine, allowed, _denied, wrong = map(int, served.output.split())
    assert (0, 0, 0, True) == (served.code, allowed, wrong, mine > 100)


@each
@pytest.mark.parametrize("way", ["exit", "exec", "kill"])
def test_ends_amidst_its_calls(kernel, way, compiled):
    """Callers that end are nobody's trouble."""
    served = harness.run([compiled("storm"), "100", "4", way], ancestor=kernel)
    assert (0, "failed 0\n") == (served.code, served.output)
    assert {"granted", "interrupted"} >= set(served.counts)


@each
def test_a_full_table(kernel):
    """EMFILE is EMFILE in two steps too."""

    def workload():
        taken = []
        while inside.attempt(lambda: taken.append(os.dup(1))) == "ok":
            pass
        return inside.attempt(inside.by_openat, -100, "/proc/self/comm")

    served = harness.run(workload, ancestor=kernel)
    assert ("EMFILE", {"no-descriptor": 1}) == (served.answer, served.counts)


TRIALS = {
    "all there": (lambda: None, "available", ""),
    "killable": (kernels.without_killable, "available", ""),
    "one step": (kernels.without_one_step, "available", ""),
    "turns": (kernels.without_turns, "available", ""),
    "Linux 5.9": (kernels.linux_5_9, "available", ""),
    "descriptors": (kernels.without_descriptors, "unavailable", "descriptor into another process (Linux 5.9)"),
    "listeners": (lambda: kernels.refuse_listeners(errno.EINVAL), "unavailable", "no user notification (Linux 5.0)"),
    "permission": (lambda: kernels.refuse_listeners(errno.EPERM), "unavailable", "a container's seccomp profile"),
    "the only one": (lambda: kernels.refuse_listeners(errno.EBUSY), "unavailable", "holds the only listener"),
    "something else": (lambda: kernels.refuse_listeners(errno.ENOMEM), "unavailable", "Cannot allocate memory"),
    "reading": (kernels.without_reading, "unavailable", "ptrace_scope"),
    "changing": (lambda: kernels.refuse("process_vm_readv", errno.ENOSYS), "unavailable", "may not read"),
}
WITHOUT_LISTENER = ("listeners", "permission", "the only one", "something else")


@pytest.mark.kernels
@pytest.mark.parametrize("lacking", TRIALS)
def test_the_trial(lacking):
    """The trial finds out, and says why where there can be no broker: above all Yama, once there is a listener."""
    uid = harness.NOBODY if os.getuid() == 0 else os.getuid()
    gid = harness.NOBODY if os.getuid() == 0 else os.getgid()
    groups = () if os.getuid() == 0 else tuple(os.getgroups())
    pretend, state, reason = TRIALS[lacking]
    if yama() >= 2 and lacking not in WITHOUT_LISTENER:
        state, reason = "unavailable", f"kernel.yama.ptrace_scope={yama()}"

    def child():
        pretend()
        trial = BrokerTrial(Identity(uid, gid, groups, "caller"))
        found = trial.result()
        trial.close()
        return found.state, found.reason

    found = in_child(child)
    assert state == found[0]
    assert reason in found[1]


def test_the_trial_leaves_nothing():
    """Neither a process nor a descriptor is left behind by a trial."""

    def child():
        before = sorted(os.listdir("/proc/self/fd"))
        trial = BrokerTrial(Identity(os.getuid(), os.getgid(), tuple(os.getgroups()), "caller"))
        found = trial.result()
        trial.close()
        return found.state, before == sorted(os.listdir("/proc/self/fd")), inside.attempt(os.waitpid, -1, os.WNOHANG)

    assert ("available", True, "ECHILD") == in_child(child)
