"""The broker in whole runs of the command: what is out of its reach, and what the record says of it."""

import os
import shutil

import pytest

from pyopenshell.launch.reports import MOST
from tests.confined.broker import harness
from tests.confined.landlock.harness import bystander
from tests.confined.launch import world

pytestmark = harness.needs_landlock
WORLDS = {"namespaces": world.NAMESPACES, "no namespaces": world.NO_NAMESPACES}
POLICY = world.policy(runtime={"cuda_thread_names": "broker"})
OPTIONS = ("-q", "-n", "brokered", "--gpu", 0)


@pytest.fixture(params=WORLDS)
def everywhere(request, anyone):
    """The command as root and as a user, with namespaces and without."""
    if request.param == "namespaces":
        world.needs_namespaces()
    anyone.world = WORLDS[request.param]
    return anyone


REACH = """
answer["own"] = attempt(os.open, "/proc/self/comm", os.O_RDWR)
parents, pid = [], os.getpid()
while pid > 1:
    with open(f"/proc/{pid}/stat") as file:
        pid = int(file.read().rpartition(")")[2].split()[1])
    parents.append(pid or 1)
for other in {*parents, 1, given["other"], given["confined"]}:
    paths = (f"/proc/{other}/comm", f"/proc/{other}/task/{other}/comm", f"/proc/self/task/{other}/comm",
             f"/proc/{other}/root/proc/self/comm", f"/proc/{other}/oom_score_adj", f"/proc/{other}/mem")
    for path in paths:
        answer[path] = attempt(os.open, path, os.O_RDWR)
answer["parents"] = len(parents)
"""


def test_out_of_reach(everywhere):
    """Init, the broker, the supervisor, and processes of the same uid, in a sandbox or in none: nothing of theirs."""
    uid = None if os.getuid() else harness.NOBODY
    with bystander(uid) as other, bystander(uid, harness.handled()) as confined:
        answer = everywhere.ask(REACH, *OPTIONS, policy=POLICY, other=other, confined=confined)
    assert ("ok", True) == (answer.pop("own"), answer.pop("parents") >= 1)
    assert len(answer) >= 6
    assert {"EACCES", "ENOENT"} >= set(answer.values()), answer


USES = """
for _ in range(3):
    for path in ("/proc/self/comm", "/proc/1/comm", "/proc/self/../self/comm", "/proc/self/mem"):
        attempt(os.open, path, os.O_RDWR)
attempt(os.open, "/proc/self/comm", os.O_RDWR | os.O_TRUNC)
if os.fork() == 0:
    attempt(os.open, "/proc/self/comm", os.O_RDWR)
    os._exit(0)
os.wait()
"""


def test_the_record(everywhere):
    """The first use of each process and the first refusals of each kind are events; the end has all counts."""
    everywhere.ask(USES, *OPTIONS, policy=POLICY)
    record = everywhere.record("brokered")
    expected = {"granted": 4, "other-process": 3, "spelling": 3, "flags": 1}
    counts = record.exit["broker"]["by_kind"]
    assert expected == {kind: number for kind, number in counts.items() if number and kind != "passed"}
    stop = record.events[-1]
    assert ("sandbox.stop", record.exit["broker"]) == (stop["metadata"]["event_code"], stop["unmapped"]["broker"])
    told = [event["unmapped"]["reason"] for event in record.events if event["class_uid"] == 1001]
    reasons = ["", "", *["other-process"] * 3, *["spelling"] * 3, "flags"]
    assert sorted(reasons) == sorted(reason or "" for reason in told)


HOSTILE = """
path = b"/proc/\\xff\\xfe\\x1b[31m\\r\\n\\x07\\xe2\\x80\\xae\\t\\"}/" + b"a" * 200 + b"/comm"
answer["open"] = attempt(os.open, path, os.O_RDWR)
os.chdir("/proc/self/task")
answer["relative"] = attempt(os.open, path[1:], os.O_RDWR)
"""


def test_a_hostile_path(everywhere):
    """A path that is no text, and would write to a terminal, is an event of one line, and nothing is lost by it."""
    assert {"open": "ENOENT", "relative": "ENOENT"} == everywhere.ask(HOSTILE, *OPTIONS, policy=POLICY)
    record = everywhere.record("brokered")
    event, _relative = [event for event in record.events if event["class_uid"] == 1001]
    assert ("spelling", True) == (event["unmapped"]["reason"], event["file"]["path"].endswith("/comm"))
    assert 2 == record.exit["broker"]["by_kind"]["spelling"]
    (shorthand,) = record.path.glob("events.log")
    lines = shorthand.read_bytes().split(b"\n")
    assert len(record.events) + 1 == len(lines)
    assert not [line for line in lines if b"\xe2\x80\xae" in line or any(byte < 0x20 or byte == 0x7F for byte in line)]


def test_more_than_can_be_told(everywhere, compiled):
    """Of more than a thousand processes that name themselves only a thousand are events; the rest are counted."""
    number = MOST + 100
    program = shutil.copy(compiled("storm"), everywhere.workdir)
    done = everywhere.run(*OPTIONS, "--", program, number, 8, policy=POLICY)
    assert (0, "failed 0\n", "") == world.outcome(done)
    record = everywhere.record("brokered")
    told = [event for event in record.events if event["class_uid"] == 1001]
    assert {"granted": number} == {kind: n for kind, n in record.exit["broker"]["by_kind"].items() if n}
    assert len(told) <= MOST
    assert number == len(told) + record.exit["broker"]["untold"]


def test_no_reading_no_broker(everywhere):
    """Where a process may not read its own descendants there is no broker, and the reason is what can be changed."""
    everywhere.world = (*everywhere.world, "process_vm_readv=EPERM")
    done = everywhere.run(*OPTIONS, "--", "true", policy=POLICY)
    assert 125 == done.returncode
    assert "ptrace_scope" in done.stderr
    auto = everywhere.run(*OPTIONS, "--", "true", policy=world.policy())
    assert 0 == auto.returncode
    assert "ptrace_scope" in everywhere.record("brokered").findings["cuda.thread-names.write-file"]["message"]
