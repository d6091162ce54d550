"""CUDA's thread names: a program names another thread of its own through /proc, as CUDA does (docs/design.md, 5)."""

import pytest

from tests.confined.landlock.harness import ABI
from tests.confined.launch import world
from tests.confined.whole import callers
from tests.confined.whole.naming import everybody, names

PROC = ("/proc",)
FINDING = "cuda.thread-names.write-file"


def policy(choice, read_write=(), **more):
    """Return a policy with this choice."""
    return world.policy(read_write=read_write, runtime={"cuda_thread_names": choice}, **more)


@pytest.mark.parametrize("choice", ["write_file", "auto"])
def test_everybody_names_their_threads(anyone, choice):
    """Main process, child, grandchild, daemon and executed program can; one addition says so, with a High finding."""
    assert everybody("cuda-worker") == names(anyone, "-n", "named", "--gpu", "0", policy=policy(choice))
    record = anyone.record("named")
    (addition,) = record.effective["runtime_additions"]
    assert (["write_file"], ["write_file"]) == (addition["access"], addition["actual"])
    assert ("/proc", "enforced", "landlock") == tuple(addition[key] for key in ("path", "status", "mechanism"))
    assert {"kind": "runtime", "name": "cuda-thread-names", "file": None, "line": None} == addition["origin"]
    assert ("High", addition["id"]) == (record.findings[FINDING]["severity"], record.findings[FINDING]["grant"])
    assert addition in record.effective["grants"]


def test_off_is_off(anyone):
    """Nobody can, and a High finding says what CUDA will do."""
    assert everybody("EACCES") == names(anyone, "-n", "off", "--gpu", "0", policy=policy("off"))
    record = anyone.record("off")
    assert [] == record.effective["runtime_additions"]
    assert "High" == record.findings["cuda.thread-names.off"]["severity"]
    assert "error 304" in record.findings["cuda.thread-names.off"]["message"]


def test_auto_is_told_before_the_program_starts(anyone):
    """One line on stderr names the mechanism and why it is not the broker."""
    done = anyone.run("--gpu", "0", "--", "true", policy=policy("auto"))
    (line,) = [line for line in done.stderr.splitlines() if "CUDA's thread names" in line]
    assert line.startswith("openshell: high: CUDA's thread names are allowed by write_file beneath /proc, because")


@pytest.mark.parametrize(("choice", "more"), [("broker", {}), ("broker", world.HARD), ("auto", world.HARD)])
def test_what_needs_the_broker_is_refused(anyone, choice, more):
    """There is none in this version: asking for it, or for auto without compromise, starts nothing."""
    error = callers.refused(anyone, "--gpu", "0", policy=policy(choice, **more))
    assert "cuda.broker-unavailable" == error["code"]
    assert "not available in this version" in error["message"]


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
