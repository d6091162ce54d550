"""A kernel that refuses a step, or only pretends to have done it: nothing is run, and the step is named."""

import tempfile
from pathlib import Path

import pytest

from tests.confined.launch import world

REFUSED = {
    # what the kernel answers: (the step that fails, whether only root's launch needs it)
    "prctl=EPERM": ("session", False),
    "openat2=ENOSYS": ("", False),
    "capset=EPERM": ("identity", False),
    "setresuid=EPERM": ("", True),
    "setgroups=EPERM": ("", True),
    "chdir=EACCES": ("working directory", False),
    "landlock_restrict_self=EPERM": ("landlock", False),
}


@pytest.mark.parametrize("answer", REFUSED)
def test_a_step_that_is_refused(sandbox, answer):
    """Exit code 125, a message that names the step where it is one, and the program has not run."""
    step, only_root = REFUSED[answer]
    if only_root:
        world.needs_root()
    if step == "session":
        world.needs_namespaces()  # without them the supervisor is the first to make the call
    sandbox.world = (answer,)
    done = sandbox.run("--", "/usr/bin/touch", "ran")
    assert (125, "", False) == (done.returncode, done.stdout, (sandbox.workdir / "ran").exists())
    assert "Traceback" not in done.stderr
    assert not step or f"step '{step}'" in done.stderr


@pytest.mark.parametrize("namespaces", [world.NAMESPACES, world.NO_NAMESPACES], ids=["namespaces", "no namespaces"])
def test_without_openat2(sandbox, namespaces):
    """As in a sandbox of ours on a kernel below ABI 5: no grant is taken for a missing path, and the hint says why."""
    sandbox.world = (*namespaces, "openat2=ENOSYS")
    done = sandbox.run("--", "/usr/bin/touch", "ran")
    assert (125, "", False) == (done.returncode, done.stdout, (sandbox.workdir / "ran").exists())
    assert "': openat2: Function not implemented\nhint: something around this process denies openat2(2)" in done.stderr


LIES = {
    "landlock_restrict_self": "step 'canary': canary: list / was allowed; the sandbox does not hold",
    "setresuid": "cannot become uid",  # asked first as whom the command is to run
}
if not world.IS_ROOT:  # who loses all capabilities with the uid; an ordinary user has those of a user namespace
    LIES["capset"] = "the sandbox is not what was asked for: CapPrm is"
KERNELS = {"landlock_restrict_self": pytest.mark.kernels}


@pytest.mark.parametrize("call", [pytest.param(call, marks=KERNELS.get(call, ())) for call in LIES])
def test_a_step_that_was_not_done(sandbox, call):
    """A call that claims success and did nothing is found out before the program starts."""
    if call == "setresuid":
        world.needs_root()
    if call == "capset":
        world.needs_namespaces()
    sandbox.world = (f"{call}=OK",)
    done = sandbox.run("--", "/usr/bin/touch", "ran")
    assert (125, True, False) == (done.returncode, LIES[call] in done.stderr, (sandbox.workdir / "ran").exists())


def test_rules_that_were_not_made(sandbox):
    """Rules that the kernel only claims to have taken open nothing: the program cannot even be executed."""
    sandbox.world = ("landlock_add_rule=OK",)
    done = sandbox.run("--", "/usr/bin/touch", "ran")
    assert (126, False) == (done.returncode, (sandbox.workdir / "ran").exists())


@pytest.mark.kernels
def test_the_canary_is_outside_of_everything(everywhere):
    """Who may read everything and write /tmp gets just that: the canary is somewhere else then."""
    with tempfile.TemporaryDirectory(prefix="openshell-test.", dir="/var/tmp") as state:
        everywhere.environment |= {"XDG_STATE_HOME": state, "XDG_CONFIG_HOME": f"{state}/config"}
        everywhere.state = Path(state)
        policy = world.policy(("/",), ("/tmp",), workdir=False)
        answer = everywhere.ask("answer['list'] = attempt(os.listdir, '/')", "-q", "--name", "all", policy=policy)
        canary = everywhere.record("all").receipt["canary"]
    assert ({"list": "ok"}, 13) == (answer, canary["errno"])
    assert not canary["path"].startswith("/tmp/")
