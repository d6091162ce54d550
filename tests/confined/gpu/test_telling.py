"""What is said before a program that uses CUDA starts, and after it failed: the cause, and the line to blame."""

import os

import pytest

from tests.confined.gpu import hosts
from tests.confined.landlock.harness import needs_landlock
from tests.confined.launch import world
from tests.confined.whole import callers

pytestmark = needs_landlock

FAILS = ("sh", "-c", "exit 48")
CRASHES = ("sh", "-c", "kill -SEGV $$")
OFF = {"cuda_thread_names": "off"}


def lines(done):
    """Return what the command itself said, and not its program."""
    return [line.removeprefix("openshell: ") for line in done.stderr.splitlines() if line.startswith("openshell: ")]


def told(done, *words):
    """Return the lines that have all the words."""
    return [line for line in lines(done) if all(word in line for word in words)]


@pytest.fixture
def device(folder):
    """A device with a node at a driver's path, for --device."""
    place = hosts.nodes(folder, "nvidia0")
    specs = hosts.spec(folder, {"0": {"deviceNodes": [hosts.node("/dev/nvidia0", place / "nvidia0")]}})
    return ("--cdi-spec-dir", specs, "--device", hosts.named(0))


def test_a_device_that_is_declared_read_only(anyone, device):
    """Before the launch: the declaration's line, and that CUDA will fail; after it failed, the same as the cause."""
    world.needs_namespaces()
    done = anyone.run(*device, "--", *FAILS, policy=world.policy(read_only=("/dev/nvidia0",)))
    assert told(done, "high:", "/dev/nvidia0 (read_only, ", "policy.yaml:1)", "CUDA will fail")
    assert told(done, "error 304", "the policy keeps /dev/nvidia0 read-only")


def test_thread_names_that_are_off(anyone):
    """Before the launch as High, afterwards as the likely cause, by the key's own name."""
    done = anyone.run("--gpu", "0", "--", *FAILS, policy=world.policy(runtime=OFF))
    assert told(done, "high:", "policy.yaml:1)", "error 304")
    assert told(done, "48 is what an exit code keeps of CUDA's error 304", "runtime.cuda_thread_names: off")
    done = anyone.run("-q", "-n", "ends", "--gpu", "0", "--", "false", policy=world.policy(runtime=OFF))
    (line,) = lines(done)
    assert line.startswith("if CUDA failed (error 304, or no device), the likely cause: the policy says")
    assert [line] == anyone.record("ends").exit["likely"]


def test_a_crash(anyone, device):
    """SIGSEGV is said to be that, with what points to its cause: here CUDA never named a thread."""
    world.needs_namespaces()
    done = anyone.run("-q", *device, "--", *CRASHES)
    assert 139 == done.returncode
    assert "sh was ended by SIGSEGV" == lines(done)[0]
    assert told(done, "if CUDA crashed it", "the broker was not asked", "openshell gpu probe")


@pytest.mark.parametrize("command", [("true",), ("false",), ("sh", "-c", "kill -TERM $$"), ("sh", "-c", "exit 7")])
def test_nothing_is_guessed_where_nothing_points_to_cuda(anyone, device, command):
    """A program that ends well, and one that fails while nothing is wrong with its devices, leaves no guess."""
    done = anyone.run("-q", *device, "--", *command)
    assert not told(done, "likely")


@pytest.mark.parametrize("command", [FAILS, CRASHES])
def test_sandboxes_without_devices_are_left_alone(anyone, command):
    """The same ends without a GPU mean nothing of CUDA's."""
    assert not told(anyone.run("-q", "--", *command), "CUDA")


def test_a_cache_that_cannot_be_written(anyone):
    """CUDA_CACHE_PATH where nothing may be written is told, with the declaration that keeps it read-only."""
    own = ("--env", f"CUDA_CACHE_PATH={anyone.folder}")
    explained = anyone.run(
        "--gpu", "0", *own, "--explain", "--", "true", policy=world.policy(read_only=(anyone.folder,))
    )
    assert "cuda.cache-unwritable" in explained.stdout
    assert f"{anyone.folder} (read_only, " in explained.stdout
    assert "cuda.cache-unwritable" not in anyone.run("--gpu", "0", "--explain", "--", "true").stdout


def test_modes_that_keep_the_user_out(anyone, folder):
    """A node that the sandbox's user may not open is told as it starts, and is the cause when the program failed."""
    world.needs_namespaces()
    place = hosts.nodes(folder, "nvidia0")
    (place / "nvidia0").chmod(0o600)
    specs = hosts.spec(folder, {"0": {"deviceNodes": [hosts.node("/dev/nvidia0", place / "nvidia0")]}})
    done = anyone.run("--cdi-spec-dir", specs, "--device", hosts.named(0), "--", *FAILS)
    assert told(done, "medium:", "/dev/nvidia0", "file modes deny")
    assert told(done, "likely cause: /dev/nvidia0 cannot be opened by the sandbox's user")


BAD = {
    "empty": b"",
    "binary": bytes(range(256)) * 40,
    "deep": b"cdiVersion: 0.5.0\nkind: a.com/b\ndevices: " + b"[" * 50_000,
    "huge": b"# " + b"x" * (12 << 20),
    "many": b"cdiVersion: 0.5.0\nkind: a.com/b\ndevices:\n"
    + b"".join(b"- {name: d%d, containerEdits: {env: [A=b]}}\n" % number for number in range(5_000)),
    "version": b"cdiVersion: 9.9.9\nkind: a.com/b\ndevices: [{name: x, containerEdits: {env: [A=b]}}]\n",
    "bomb": b"a: &a [x, x]\n" + b"".join(b"a%d: &a%d [*a, *a, *a]\n" % (number, number) for number in range(1000)),
}


@pytest.mark.parametrize("kind", BAD)
def test_hostile_specs(anyone, folder, kind):
    """Whatever a spec is made of: one clear error where a device of it is asked for, and no word where none is."""
    place = folder / "bad"
    place.mkdir()
    (place / "spec.yaml").write_bytes(BAD[kind])
    asked = ("--cdi-spec-dir", place, "--device", "a.com/b=none")
    error = callers.refused(anyone, *asked)
    assert "cdi.unknown-device" == error["code"]
    assert len(error["message"]) + len(error["hint"]) < 1500
    assert 0 == anyone.run("-q", "--cdi-spec-dir", place, "--gpu", "0", "--", "true").returncode


def test_links_and_files_that_are_no_specs(anyone, folder):
    """Cycles of links, dangling ones, FIFOs and folders named like specs hang nothing and are passed over."""
    place = folder / "odd"
    place.mkdir()
    (place / "a.yaml").symlink_to("b.yaml")
    (place / "b.yaml").symlink_to("a.yaml")
    (place / "gone.json").symlink_to("/nowhere")
    (place / "folder.json").mkdir()
    os.mkfifo(place / "fifo.yaml")
    assert 0 == anyone.run("-q", "--cdi-spec-dir", place, "--gpu", "0", "--", "true").returncode
    assert "cdi.unknown-device" == callers.refused(anyone, "--cdi-spec-dir", place, "--device", "a.com/b=c")["code"]
