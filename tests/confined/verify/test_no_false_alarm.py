"""Sandboxes that are what they say are never taken for others: every kind of policy, world and ABI."""

from pathlib import Path

import pytest

from tests.confined.landlock.harness import ABI, ABIS
from tests.confined.launch import world

EXAMPLES = Path(__file__).parents[3] / "examples" / "policies"
POLICIES = {
    "thread names off": ({"runtime": {"cuda_thread_names": "off"}}, (), ()),
    "thread names by a rule": ({"runtime": {"cuda_thread_names": "write_file"}}, (), ()),
    "procfs": ({}, (), ("/proc",)),
    "all to be read": ({}, ("/",), ()),
    "a folder of each kind": ({}, ("DIR/read",), ("DIR/write",)),
    "a file of each kind": ({}, ("DIR/one",), ("DIR/two",)),
    "shared memory": ({}, (), ("/dev/shm",)),
    "devices and sysfs": ({}, ("/dev", "/sys"), ()),
    "a part of /tmp": ({}, ("TMP",), ()),
}


def verify(sandbox, *options, policy=None):
    """Verify a sandbox before its program, which then runs; return what was said about it."""
    done = sandbox.run("--verify", *options, "--", "/bin/echo", "ran", policy=policy)
    assert (0, "ran\n") == (done.returncode, done.stdout), done.stderr
    (told,) = [line for line in done.stderr.splitlines() if "verified: " in line]
    return told


@pytest.mark.parametrize("name", POLICIES)
@pytest.mark.parametrize("gpu", [(), ("--gpu", "0")])
def test_policies(everywhere, tmp_path, name, gpu):
    """Paths of every kind; what may be written is as it was afterwards."""
    for folder in ("read", "write"):
        (everywhere.workdir / folder).mkdir()
        (everywhere.workdir / folder).chmod(0o777)
    for file in ("one", "two", "read/three"):
        (everywhere.workdir / file).write_text("text")
        (everywhere.workdir / file).chmod(0o666)
    more, *paths = POLICIES[name]
    read, write = (
        tuple(path.replace("DIR", str(everywhere.workdir)).replace("TMP", str(tmp_path)) for path in some)
        for some in paths
    )
    verify(everywhere, *gpu, policy=world.policy(read, write, workdir=False, **more))
    assert ["one", "read", "two", "write"] == sorted(path.name for path in everywhere.workdir.iterdir())
    assert [] == list((everywhere.workdir / "write").iterdir())
    assert "text" == (everywhere.workdir / "two").read_text()


@pytest.mark.parametrize("name", ["agent", "cuda", "strict"])
def test_examples(sandbox, name):
    """The policies that people start from. Below ABI 5 the strict one is refused."""
    world.needs_namespaces()
    policy = ("--policy", EXAMPLES / f"{name}.yaml")
    if name == "strict" and ABI < 5:
        done = sandbox.run("--verify", *policy, "--", "/bin/echo", "ran")
        assert (125, "") == (done.returncode, done.stdout)
        assert "the right ioctl_dev needs Landlock ABI 5" in done.stderr
        return
    verify(sandbox, *policy)


@pytest.mark.parametrize("abi", ABIS)
def test_older_kernels(everywhere, abi):
    """What an ABI does not have is not expected of it."""
    verify(everywhere, "--max-abi", abi)


@pytest.mark.kernels
def test_without_landlock(bare):
    """Nothing is said to be denied that nothing denies."""
    verify(bare, "--max-abi", "0", "--unsafe-unconfined")


@pytest.mark.kernels
def test_quietly(sandbox):
    """Not a word of our own."""
    done = sandbox.run("-q", "--verify", "--", "/bin/echo", "ran")
    assert (0, "ran\n", "") == (done.returncode, done.stdout, done.stderr)


def test_not_together_with_explain(sandbox):
    """Nothing is accepted and ignored."""
    done = sandbox.run("--verify", "--explain", "--", "/bin/true")
    assert (125, "") == (done.returncode, done.stdout)
    assert "--explain" in done.stderr
