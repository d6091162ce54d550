"""CUDA's thread names: a program names another thread of its own through /proc, as CUDA does (docs/design.md, 5)."""

import json

import pytest

from pyopenshell.effective.runtime import PATTERN
from tests.confined.landlock.harness import ABI, needs_landlock
from tests.confined.launch import world
from tests.confined.whole import callers
from tests.confined.whole.naming import everybody, names

pytestmark = needs_landlock

PROC = ("/proc",)
FINDING = "cuda.thread-names.write-file"
READ = ["execute", "read_file", "read_dir"]
INSPECT = ("sandbox", "inspect", "shown")


def policy(choice, read_write=(), **more):
    """Return a policy with this choice."""
    return world.policy(read_write=read_write, runtime={"cuda_thread_names": choice}, **more)


@pytest.mark.parametrize("choice", ["auto", "broker"])
@pytest.mark.parametrize("kind", world.WORLDS)
def test_everybody_names_their_threads(anyone, choice, kind):
    """Main process, child, grandchild, daemon and executed program can; one addition says so, apart from every path."""
    anyone.world = world.WORLDS[kind]
    assert everybody("cuda-worker") == names(anyone, "-n", "named", "--gpu", "0", policy=policy(choice))
    record = anyone.record("named")
    (addition,) = record.effective["runtime_additions"]
    assert (PATTERN, "enforced", "broker") == tuple(addition[key] for key in ("path", "status", "mechanism"))
    assert (["write_file"], ["write_file"], None) == tuple(addition[key] for key in ("access", "actual", "resolved"))
    assert {"kind": "runtime", "name": "cuda-thread-names", "file": None, "line": None} == addition["origin"]
    assert "of its own threads only" in addition["reason"]
    finding = record.findings["cuda.thread-names.broker"]
    assert ("Informational", addition["id"]) == (finding["severity"], finding["grant"])
    assert not [grant for grant in record.effective["grants"] if grant["path"] == "/proc" and grant["actual"] != READ]
    assert "broker" == record.receipt["thread_names"]["mechanism"]
    assert ([addition["id"]], True) == (record.receipt["broker"]["grants"], record.receipt["broker"]["own"])


def test_uses_are_told_and_counted(anyone):
    """The first use of each process is an event, with the process as the host numbers it; the end has the counts."""
    assert everybody("cuda-worker") == names(anyone, "-n", "told", "--gpu", "0")
    record = anyone.record("told")
    uses = [event for event in record.events if event["metadata"]["event_code"] == "broker.granted"]
    assert (5, 5) == (len(uses), len({event["actor"]["process"]["pid"] for event in uses}))
    assert all(event["file"]["path"].startswith("/proc/self/task/") for event in uses)
    counts = record.exit["broker"]["by_kind"]
    assert (5, 0) == (counts["granted"], counts["other-process"])
    (stop,) = [event for event in record.events if event["metadata"]["event_code"] == "sandbox.stop"]
    assert record.exit["broker"] == stop["unmapped"]["broker"]


def test_refusals_are_counted_by_reason(anyone):
    """A thread of another process, and flags that empty: Landlock denies both, and the first ones are told."""
    code = """
for _ in range(3):
    answer["init"] = attempt(os.open, "/proc/1/task/1/comm", os.O_RDWR)
    answer["empty"] = attempt(os.open, "/proc/self/comm", os.O_RDWR | os.O_TRUNC)
    answer["own"] = attempt(os.open, "/proc/self/comm", os.O_RDWR)
"""
    told = anyone.ask(code, "-n", "refused", "--gpu", "0")
    assert {"init": "EACCES", "empty": "EACCES", "own": "ok"} == told
    record = anyone.record("refused")
    counts = record.exit["broker"]["by_kind"]
    assert (3, 3, 3) == (counts["granted"], counts["other-process"], counts["flags"])
    events = [event for event in record.events if event["metadata"]["event_code"] == "broker.refused"]
    told = [(event["unmapped"]["reason"], event["file"]["path"]) for event in events]
    assert [("other-process", "/proc/1/task/1/comm"), ("flags", "/proc/self/comm")] * 3 == told


def test_a_chosen_rule_is_a_high_finding(anyone):
    """Under write_file everybody can, by a rule on all of /proc."""
    assert everybody("cuda-worker") == names(anyone, "-n", "rule", "--gpu", "0", policy=policy("write_file"))
    record = anyone.record("rule")
    (addition,) = record.effective["runtime_additions"]
    assert ("/proc", "enforced", "landlock") == tuple(addition[key] for key in ("path", "status", "mechanism"))
    assert ("High", addition["id"]) == (record.findings[FINDING]["severity"], record.findings[FINDING]["grant"])
    assert "broker" not in record.exit


def test_off_is_off(anyone):
    """Nobody can, and a High finding says what CUDA will do."""
    assert everybody("EACCES") == names(anyone, "-n", "off", "--gpu", "0", policy=policy("off"))
    record = anyone.record("off")
    assert [] == record.effective["runtime_additions"]
    assert "High" == record.findings["cuda.thread-names.off"]["severity"]
    assert "error 304" in record.findings["cuda.thread-names.off"]["message"]


NO_READING = {kind: (*answers, "process_vm_readv=EPERM") for kind, answers in world.WORLDS.items()}
"""A host where no broker can be: it may not read from its descendants, as under Yama's ptrace_scope 2."""


@pytest.mark.parametrize("kind", NO_READING)
def test_auto_falls_back_and_says_so(anyone, kind):
    """One line on stderr, the policy, the receipt and an event name what was chosen, and why it is not the broker."""
    anyone.world = NO_READING[kind]
    done = anyone.run("-n", "back", "--gpu", "0", "--", "true", policy=policy("auto"))
    (line,) = [line for line in done.stderr.splitlines() if "CUDA's thread names" in line]
    assert line.startswith("openshell: high: CUDA's thread names are allowed by write_file beneath /proc, because")
    assert "ptrace_scope" in line
    record = anyone.record("back")
    message = record.findings[FINDING]["message"]
    assert message in line
    assert {"mechanism": "landlock", "why": message} == record.receipt["thread_names"]
    (event,) = [event for event in record.events if event["metadata"]["event_code"] == FINDING]
    assert ("High", message) == (event["severity"], event["message"])
    assert everybody("cuda-worker") == names(anyone, "--gpu", "0", policy=policy("auto"))


@pytest.mark.parametrize(("choice", "more"), [("broker", {}), ("broker", world.HARD), ("auto", world.HARD)])
def test_what_needs_the_broker_is_refused_without(anyone, choice, more):
    """Asking for it, or for auto without compromise, starts nothing where it cannot be had."""
    anyone.world = NO_READING["namespaces"]
    error = callers.refused(anyone, "--gpu", "0", policy=policy(choice, **more))
    if more and ABI < 5:  # there is even less to be had then
        assert "policy.hard-requirement" == error["code"]
        return
    assert "cuda.broker-unavailable" == error["code"]
    assert "ptrace_scope" in error["message"]
    assert "write_file" in error["hint"]


@pytest.mark.parametrize("choice", ["auto", "broker"])
def test_hard_requirement_takes_the_broker(anyone, choice):
    """It is no compromise."""
    world.needs_namespaces()
    if ABI < 5:
        pytest.skip("needs: Landlock ABI 5")
    assert everybody("cuda-worker") == names(anyone, "--gpu", "0", policy=policy(choice, **world.HARD))


def test_why_knows_the_broker(anyone):
    """A file that is nobody's here is allowed to its own process; without a GPU the advice is to ask for one."""
    words = ("why", "/proc/self/task/1/comm", "--write", "-o", "json")
    answer = callers.shown(callers.verb(anyone, *words, "--gpu", "0"))
    assert (True, "broker") == (answer["allowed"], answer["grants"][0]["mechanism"])
    denied = callers.verb(anyone, *words)
    assert 1 == denied.returncode
    assert "--gpu" in json.loads(denied.stdout)["advice"]


def test_every_surface_shows_it_apart(anyone):
    """Policy get, inspect and explain name pattern and mechanism; nothing of it is in read_write."""
    done = anyone.run("-n", "shown", "--gpu", "0", "--", "true")
    assert (0, False) == (done.returncode, "CUDA" in done.stderr)
    pages = [callers.verb(anyone, *words).stdout for words in (("policy", "get", "shown", "--full"), INSPECT)]
    pages.append(anyone.run("--gpu", "0", "--explain", "--", "true").stdout)
    for page in pages:
        (line,) = [line for line in page.splitlines() if line.strip().startswith(PATTERN)]
        assert "write_file" in line
        assert "broker" in line
        assert "runtime/cuda-thread-names" in line


def test_hard_requirement_takes_what_the_policy_chose(anyone):
    """An explicit write_file is no compromise."""
    world.needs_namespaces()
    if ABI < 5:
        pytest.skip("needs: Landlock ABI 5")
    told = names(anyone, "--gpu", "0", policy=policy("write_file", **world.HARD))
    assert everybody("cuda-worker") == told


@pytest.mark.parametrize("choice", ["auto", "write_file", "off"])
@pytest.mark.parametrize("gpu", [("--gpu", "0"), ()])
def test_declared_proc_is_the_operators(anyone, gpu, choice):
    """Who declares /proc read-write gets just that, as their own grant, and no addition of ours."""
    told = names(anyone, "-n", "declared", *gpu, policy=policy(choice, PROC))
    assert everybody("cuda-worker") == told
    record = anyone.record("declared")
    assert [] == record.effective["runtime_additions"]
    grant = next(grant for grant in record.effective["grants"] if "write_file" in grant["access"])
    assert ("/proc", "declared", "read_write") == (grant["path"], grant["origin"]["kind"], grant["origin"]["name"])
    assert "High" == record.findings["declared.proc-writable"]["severity"]


@pytest.mark.parametrize("choice", ["auto", "write_file", "off", "broker"])
def test_without_a_gpu_nobody_can(anyone, choice):
    """The key concerns GPU sandboxes alone: without --gpu there is neither addition nor finding."""
    assert everybody("EACCES") == names(anyone, "-n", "without", policy=policy(choice))
    record = anyone.record("without")
    assert [] == record.effective["runtime_additions"]
    assert not [code for code in record.findings if code.startswith("cuda")]


def test_the_addition_opens_writing_alone(anyone):
    """Under write_file, files of /proc cannot be truncated, made or removed, and others' names not be changed."""
    code = """
answer["truncate"] = attempt(os.truncate, "/proc/self/comm", 0)
answer["make"] = attempt(os.mkdir, "/proc/new")
answer["init"] = attempt(os.open, "/proc/1/comm", os.O_WRONLY)
answer["sysctl"] = attempt(os.open, "/proc/sys/kernel/hostname", os.O_WRONLY)
"""
    world.needs_namespaces()
    told = anyone.ask(code, "--gpu", "0", policy=policy("write_file"))
    assert {"ok"}.isdisjoint(told.values()), told
