"""The broker on whatever kernel this is: there where the kernel has what it takes, and where not, the reason said."""

from __future__ import annotations

import ctypes
import json
import os
import signal

import pytest

from pyopenshell.effective.model import Identity
from pyopenshell.kernel import process
from pyopenshell.kernel.memory import Reader
from pyopenshell.launch.broker_trial import BrokerTrial
from tests.confined.broker import harness, inside
from tests.confined.broker.features import features, yama
from tests.confined.landlock.harness import ABI, NOBODY, in_child
from tests.confined.launch import world
from tests.confined.whole import callers

pytestmark = pytest.mark.kernels
UNCONFINED = () if ABI else ("--unsafe-unconfined",)
OPTIONS = ("-q", "-n", "named", "--gpu", "0", *UNCONFINED)
FINDING = "cuda.thread-names.write-file"
REFUSED = "cuda.broker-unavailable"


def missing() -> str:
    """Return what this kernel lacks for a broker, in words that its reason has to have; nothing where it lacks nothing.

    Yama's scope 1 is no hindrance: the broker is an ancestor of all that it reads from.
    """
    found = features()
    if not found["listener"]:
        return "no user notification"
    if not found["addfd"]:
        return "put a descriptor into another process"
    return f"kernel.yama.ptrace_scope={yama()}" if yama() >= 2 else ""


def missing_for_a_launch() -> str:
    """Return the same for a launch, which tries no broker where nothing would deny what the broker is to give."""
    return missing() if ABI else "without Landlock"


def test_the_trial():
    """It finds a broker available exactly where the kernel has what one needs, and names what is missing."""
    uid, gid = (os.getuid(), os.getgid()) if os.getuid() else (NOBODY, NOBODY)

    def child():
        trial = BrokerTrial(Identity(uid, gid, () if os.getuid() == 0 else tuple(os.getgroups()), "caller"))
        found = trial.result()
        trial.close()
        return found.state, found.reason

    state, reason = in_child(child)
    assert ("unavailable" if missing() else "available") == state, reason
    assert missing() in reason


def test_as_root():
    """Nothing of procfs opens for writing even to a process of root but its own two files; without a broker none."""
    if not ABI:
        pytest.skip("needs: Landlock")
    opened = harness.run(_opened, harness.KINDS[3]).answer
    own = [f"/proc/{opened['pid']}/comm", f"/proc/{opened['pid']}/task/{opened['pid']}/comm"]
    assert ([] if missing() else own) == sorted(opened["paths"])


def _opened() -> dict[str, object]:
    """Open every regular file of procfs for writing, other processes' left out, and write nothing."""
    paths = []
    for folder, folders, files in os.walk("/proc"):
        if folder == "/proc":
            folders[:] = [name for name in folders if not name.isdigit() or name == str(os.getpid())]
        for path in (f"{folder}/{name}" for name in files):
            if os.path.isfile(path) and not os.path.islink(path) and inside.attempt(os.open, path, os.O_WRONLY) == "ok":
                paths.append(path)
    return {"pid": os.getpid(), "paths": paths}


READERS = {0: ("ok", "ok"), 1: ("ok", "EPERM")}
"""How an ancestor and a sibling fare that read a process's memory, by Yama's scope; from 2 on neither can."""


def test_who_may_read():
    """At scope 1 an ancestor reads and a sibling does not: a broker that were none would be seen by these tests."""
    told = in_child(_readers)
    assert READERS.get(yama(), ("EPERM", "EPERM")) == tuple(told)


def _readers() -> list[str]:
    if os.getuid() == 0:
        process.set_ids(NOBODY, NOBODY, ())
    text = ctypes.create_string_buffer(b"readable")
    process.set_dumpable(True)  # a change of uid has made it undumpable
    target = os.fork()
    if target == 0:
        signal.pause()

    def read() -> str:
        return inside.attempt(Reader(64).string, target, ctypes.addressof(text))

    told, tell = os.pipe()
    sibling = os.fork()
    if sibling == 0:
        os.write(tell, read().encode())
        os._exit(0)
    os.waitpid(sibling, 0)
    answers = [read(), os.read(told, 64).decode()]
    os.kill(target, signal.SIGKILL)
    os.waitpid(target, 0)
    return answers


@pytest.mark.parametrize("kind", [harness.KINDS[0], harness.KINDS[3]], ids=str)
def test_the_broker_itself(kind):
    """The broker alone, with Landlock or without any: it serves a process, its child and its thread, and no others."""

    def workload():
        with inside.thread() as tid:
            answers = {"thread": inside.name(f"/proc/self/task/{tid}/comm"), "called": inside.called(tid)}
        answers["other"] = inside.name("/proc/1/comm")
        read, write = os.pipe()
        if os.fork() == 0:
            os.write(write, inside.name(f"/proc/{os.getpid()}/comm").encode())
            os._exit(0)
        os.wait()
        return answers | {"child": os.read(read, 64).decode()}

    served = harness.run(workload, kind)
    if not missing():
        assert {"granted": 2, "other-process": 1} == served.counts
        assert ("ok", "named", "ok") == tuple(served.answer[key] for key in ("thread", "called", "child"))
    else:
        assert {"unreadable": 3} == served.counts
    assert served.answer["other"] in ("EACCES", "EINVAL")  # EINVAL: opened without Landlock, and no other's to name
    found = features()
    assert (found["wait_killable"], found["sync_wake_up"]) == (served.serving.killable, served.serving.in_step)


@pytest.mark.parametrize("restart", [False, True])
def test_signals(restart, compiled):
    """Signals all the while: no open fails but with EINTR; without both newer ways a descriptor can be left over."""
    if missing():
        pytest.skip("needs: a broker")
    # 50 times a second: on a slow machine an open takes longer than a millisecond, and before Linux 5.19 each signal
    # makes it begin again.
    served = harness.run([compiled("interrupted"), "100", str(int(restart)), "20000"])
    granted, interrupted, wrong, left, _signals = map(int, served.output.split())
    assert (100, 0) == (granted + interrupted, wrong)
    assert left <= (0 if {"addfd_send", "wait_killable"} & have() else served.counts.get("interrupted", 0))


def have() -> set[str]:
    """Return the features that there are."""
    return {name for name, there in features().items() if there}


NAMES = """
import stat, threading
def write(path, text=b"named"):
    try:
        fd = os.open(path, os.O_RDWR)
    except OSError as error:
        return errno.errorcode[error.errno]
    try:
        return attempt(os.write, fd, text)
    finally:
        os.close(fd)
def opens(path):
    try:
        if not stat.S_ISREG(os.lstat(path).st_mode):
            return False
    except OSError:
        return False
    return attempt(os.open, path, os.O_WRONLY) == "ok"
count = 0
for folder, folders, files in os.walk("/proc"):
    if folder == "/proc":  # other processes are looked at below, one by one
        folders[:] = [name for name in folders if not name.isdigit() or name == str(os.getpid())]
    count += sum(opens(folder + "/" + name) for name in files)
answer["count"] = count
done = threading.Event()
other = threading.Thread(target=done.wait)
other.start()
answer["first"] = write(f"/proc/self/task/{other.native_id}/comm")
answer["called"] = open(f"/proc/self/task/{other.native_id}/comm").read().strip()
done.set()
other.join()
read, end = os.pipe()
if os.fork() == 0:
    os.write(end, write(f"/proc/self/task/{os.getpid()}/comm").encode() + b" ")
    if os.fork() == 0:
        code = "import os; os.write(%d, b'ok' if os.open(f'/proc/self/task/{os.getpid()}/comm', os.O_RDWR) else b'')"
        os.set_inheritable(end, True)
        os.execv(sys.executable, [sys.executable, "-I", "-S", "-c", code % end])
    os.wait()
    os._exit(0)
os.wait()
answer["child"], _, answer["grandchild"] = os.read(read, 64).decode().partition(" ")
answer["others"] = [write(f"/proc/{pid}/comm") for pid in (1, os.getppid())]
"""


def test_a_launch(anyone):
    """``auto``: all of its processes name their threads and nobody else's, by the broker or by a rule said aloud."""
    told = anyone.ask(NAMES, *OPTIONS, policy=world.policy())
    assert ["ok", "named", "ok", "ok"] == [told[key] for key in ("first", "called", "child", "grandchild")]
    assert {"EACCES", "EINVAL", "EPERM"} >= set(told["others"])
    record = anyone.record("named")
    lack = missing_for_a_launch()
    (addition,) = record.effective["runtime_additions"]
    assert ("landlock" if lack else "broker") == addition["mechanism"]
    if lack:
        finding = record.findings[FINDING]
        assert ("High", True) == (finding["severity"], lack in finding["message"]), finding
        assert told["count"] > 2
    else:
        assert FINDING not in record.findings
        assert 2 == told["count"]  # its own comm, as a process's and as a thread's
        assert record.exit["broker"]["by_kind"]["granted"] >= 5


@pytest.mark.parametrize("more", [{"runtime": {"cuda_thread_names": "broker"}}, world.HARD], ids=["broker", "hard"])
def test_insisting(anyone, more):
    """To insist on a broker is an error where there can be none, with the reason; nothing starts then."""
    done = anyone.run(*OPTIONS, "-o", "json", "--", "echo", "started", policy=world.policy(**more))
    error = json.loads(done.stderr)["error"] if done.returncode == 125 else {"code": "", "message": ""}
    assert ("started\n" if done.returncode == 0 else "") == done.stdout
    if more is world.HARD and error["code"] not in ("", REFUSED):
        return  # this kernel lacks more than the broker, and is refused for that
    assert REFUSED * bool(missing_for_a_launch()) == error["code"], error
    assert missing_for_a_launch() in error["message"]


def test_the_doctor(anyone):
    """It tries too, and says the same."""
    done = callers.verb(anyone, "doctor", "-o", "json")
    checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert ("warn" if missing() else "ok") == checks["broker"]["status"]
    assert missing() in checks["broker"]["evidence"]
