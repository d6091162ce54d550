"""What a trial of the broker shows: its judgement as a table, and a real trial on this kernel."""

import errno
import os

import pytest
from tests.confined.landlock.harness import NOBODY, needs_landlock

from pyopenshell.effective.model import Identity
from pyopenshell.launch.broker_trial import BrokerTrial, judge

GRANTED, UNREAD = {"granted": 1}, {"granted": 0, "unreadable": 1}


@pytest.mark.parametrize(
    ("code", "refusal", "counts", "failed", "state", "words"),
    [
        (0, 0, GRANTED, "", "available", ""),
        (0, 0, {"granted": 0}, "", "unavailable", "could not name"),  # it had its name from elsewhere
        (errno.EACCES, 0, {"granted": 0}, "", "unavailable", "Permission denied"),
        (errno.EACCES, 0, UNREAD, "", "unavailable", "ptrace_scope"),
        (errno.ENOSYS, 0, {}, "", "unavailable", "not implemented"),
        (0, errno.EBUSY, {}, "", "outer", ""),
        (0, errno.EPERM, {}, "", "outer", ""),
        (errno.EACCES, errno.EBUSY, {}, "", "unavailable", "the only listener"),
        (errno.EACCES, errno.EPERM, {}, "", "unavailable", "forbids a listener"),
        (errno.EACCES, errno.EINVAL, {}, "", "unavailable", "Linux 5.0"),
        (errno.EACCES, errno.ENOMEM, {}, "", "unavailable", "Cannot allocate memory"),
        (125, errno.EPERM, {}, "setresuid", "unavailable", "setresuid: Operation not permitted"),
    ],
)
def test_judgement(code, refusal, counts, failed, state, words):
    """Available is only what was really served; otherwise the reason is one that a person can act on."""
    found = judge(code, refusal, counts, failed)
    assert state == found.state
    assert words in found.reason
    assert bool(words) is bool(found.reason)


def test_a_rule_that_would_not_help_either():
    """Where naming threads is denied before anything of ours is, the reason says so."""
    found = judge(errno.EACCES, errno.EPERM, {}, "", errno.EACCES)
    assert "forbids a listener" in found.reason
    assert found.reason.endswith("denies naming threads at all")


@pytest.mark.parametrize(
    ("yama", "words"),
    [
        (0, "a container's seccomp profile perhaps"),
        (1, "a container's seccomp profile perhaps"),
        (2, "`sysctl kernel.yama.ptrace_scope=1` is enough"),
        (3, "until the next boot"),
    ],
)
def test_yama_is_named_where_it_is_the_cause(yama, words):
    """A broker that may not read: Yama's scope is the reason from 2 on, and each reason says what would do."""
    found = judge(errno.EACCES, 0, UNREAD, "", yama=yama)
    assert words in found.reason
    assert (yama >= 2) is (f"kernel.yama.ptrace_scope={yama}" in found.reason)
    assert "available" == judge(0, 0, GRANTED, "", yama=yama).state


@needs_landlock
def test_a_real_trial():
    """On this kernel a child of an ordinary user names its thread through a broker, and nothing is left of either."""
    uid = os.getuid() or NOBODY
    before = len(os.listdir("/proc/self/fd"))
    trial = BrokerTrial(Identity(uid, os.getgid() if os.getuid() else NOBODY, (), "test"))
    try:
        assert "available" == trial.result().state
    finally:
        trial.close()
    assert before == len(os.listdir("/proc/self/fd"))
