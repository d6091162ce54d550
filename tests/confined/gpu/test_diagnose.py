"""``openshell gpu diagnose``, as it is typed: files, pipes, a terminal, and what a real engine prints."""

import json
import os
import shutil
import subprocess
import sys
import time

import pexpect
import pytest
import yaml

from tests.confined.launch import world
from tests.places import engines

ERROR = "Error: setting up CDI devices: unresolvable CDI devices nvidia.com/gpu=7\n"
HEALTHY = "Container started\nall is well\n"
SPEC = """\
cdiVersion: "0.5.0"
kind: nvidia.com/gpu
devices:
- name: "0"
  containerEdits:
    env: [A=b]
"""
ASK = "paste what the engine said"
ENGINE = """\
set -eu
mount -t tmpfs none /run
mkdir -p /run/cdi /run/engine/fs
cat > /run/cdi/test.yaml
podman --root=/run/engine/root --runroot=/run/engine/run --tmpdir=/run/engine/tmp --storage-driver=vfs \
    --cgroup-manager=cgroupfs --events-backend=none --log-level=debug \
    run --rm --network=none --device openshell.example/gpu=7 --rootfs /run/engine/fs /true
"""


COMMAND = (sys.executable, "-m", "pyopenshell", "gpu", "diagnose")


@pytest.fixture
def diagnose(workdir):
    """Run the command on a text, with this folder of specs (an empty one by default)."""
    specs = workdir / "cdi"
    specs.mkdir()

    def run(*arguments, text="", folder=specs, **options):
        command = [*COMMAND, *map(str, arguments), "--cdi-spec-dir", str(folder)]
        return subprocess.run(command, input=text, cwd=workdir, capture_output=True, text=True, timeout=120, **options)

    return run


def codes(done):
    """The codes of a JSON answer."""
    return [cause["code"] for cause in json.loads(done.stdout)["causes"]]


def test_a_text_through_a_pipe(diagnose):
    """Numbered causes with their line, what was seen here, numbered steps and where that is from; exit code 0."""
    done = diagnose(text=f"line one\n{ERROR}")
    assert (0, "") == (done.returncode, done.stderr)
    lines = [line.strip() for line in done.stdout.splitlines()]
    assert lines[0] in (
        "1. cdi.folder-empty (certain)",
        "1. gpu.no-hardware (likely)",
        "1. gpu.nodes-missing (certain)",
    )
    assert f"Line 2: {ERROR.strip()}" in lines
    assert any(line.startswith("Here: ") and line.endswith("/cdi: no specs") for line in lines)
    assert any(line.startswith("1. ") and "rite a spec: sudo nvidia-ctk cdi generate" in line for line in lines)
    assert any("Source: seen; NVIDIA/nvidia-container-toolkit#146" in line for line in lines)


def test_a_text_in_a_file(diagnose, workdir):
    """A file is read, its name as - is standard input."""
    (workdir / "error.txt").write_text(ERROR)
    assert "cdi.folder-empty" in diagnose(workdir / "error.txt").stdout
    assert "cdi.folder-empty" in diagnose("-", text=ERROR).stdout


@pytest.mark.parametrize("text", [HEALTHY, "", "\n\n"])
def test_nothing_is_recognised(diagnose, text):
    """It is said, with what was looked at and what to run instead; exit code 1."""
    done = diagnose(text=text)
    assert (1, "") == (done.returncode, done.stderr)
    assert done.stdout.startswith("Not recognised: 2 lines" if text == HEALTHY else "Nothing to diagnose")
    assert "GPU devices: " in done.stdout
    assert "openshell gpu lint and openshell doctor --gpu" in done.stdout
    assert diagnose(text='"' * 1_000_000).stdout.startswith("Not recognised: 1 line ")
    answer = json.loads(diagnose("-o", "json", text=text).stdout)
    assert (False, []) == (answer["recognised"], answer["causes"])


def test_what_cannot_be_read(diagnose, workdir):
    """A file that is missing or a folder is exit code 4, in words and as JSON; so is a closed standard input."""
    for path in (workdir / "none.txt", workdir):
        done = diagnose(path)
        assert (4, "") == (done.returncode, done.stdout)
        assert done.stderr.startswith(f"openshell: {path}: ")
    done = diagnose(workdir / "none.txt", "-o", "json")
    assert "gpu.diagnose.unreadable" == json.loads(done.stderr)["error"]["code"]
    done = subprocess.run(["sh", "-c", 'exec "$@" <&-', "sh", *COMMAND], capture_output=True, text=True, timeout=60)
    assert (4, "") == (done.returncode, done.stdout)


def test_documents(diagnose):
    """JSON and YAML are the same answer, with all that was looked at."""
    answer = json.loads(diagnose("-o", "json", text=ERROR).stdout)
    assert answer == yaml.safe_load(diagnose("-o", "yaml", text=ERROR).stdout)
    assert {"schema", "recognised", "causes", "text", "host"} == set(answer)
    assert "pyopenshell.gpu-diagnose/1" == answer["schema"]
    (cause,) = (cause for cause in answer["causes"] if cause["code"].startswith("cdi."))
    assert ("cdi.folder-empty", "cdi.unresolvable", 1) == (cause["code"], cause["symptom"], cause["line"])
    assert ["nvidia.com/gpu=7"] == cause["names"]
    assert {"lines": 1, "cut": False} == answer["text"]
    host = {"folders", "faults", "names", "devices", "driver", "cards", "settings", "conflicts", "kinds"}
    assert host == set(answer["host"])


def test_a_terminal_is_not_steered(diagnose):
    """Control characters of the text do not come out, in any form."""
    text = f"\x1b]0;owned\x07\x1b[2J\u202e {ERROR.strip()} \x9b31m\x08\n"
    for form in ("table", "json", "yaml"):
        done = diagnose("-o", form, text=text)
        assert 0 == done.returncode
        assert all(line.isprintable() for line in done.stdout.splitlines())


def test_what_is_here_tells_which_cause_it_is(diagnose, workdir):
    """Missing, empty, refused with file and line, another name, there by now: the folder decides."""
    folder = workdir / "cdi"
    spec = folder / "test.yaml"
    assert "cdi.folder-missing" in codes(diagnose("-o", "json", text=ERROR, folder=workdir / "none"))
    spec.write_text(SPEC.replace("env:", "enw:"))
    done = diagnose("-o", "json", text=ERROR)
    assert "cdi.spec-refused" == codes(done)[0]
    assert json.loads(done.stdout)["causes"][0]["seen"][0].startswith(f"{spec}:6: ")
    spec.write_text(SPEC)
    done = diagnose("-o", "json", text=ERROR)
    assert "cdi.unknown-device" == codes(done)[0]
    assert "there are nvidia.com/gpu=0" in json.loads(done.stdout)["causes"][0]["seen"]
    assert ["cdi.name-is-there"] == codes(diagnose("-o", "json", text=ERROR.replace("=7", "=0")))


def test_an_unrelated_spec_is_not_blamed(diagnose, workdir):
    """A broken spec of another vendor is behind that the name is not there; a clash on the name is before all junk."""
    folder = workdir / "cdi"
    (folder / "nvidia.yaml").write_text(SPEC)
    (folder / "intel.yaml").write_text(SPEC.replace("nvidia.com", "intel.com").replace("env:", "enw:"))
    first, *others = json.loads(diagnose("-o", "json", text=ERROR).stdout)["causes"]
    assert ("cdi.unknown-device", "certain") == (first["code"], first["certainty"])
    assert ["possible"] == [cause["certainty"] for cause in others if cause["code"] == "cdi.spec-refused"]
    (folder / "a.yaml").write_text("kind: 7\n" + "".join(f"junk{number}: 1\n" for number in range(30)))
    for name in ("x.yaml", "y.yaml"):
        (folder / name).write_text(SPEC.replace('"0"', '"7"'))
    first = json.loads(diagnose("-o", "json", text=ERROR).stdout)["causes"][0]
    assert ("cdi.conflict", "certain") == (first["code"], first["certainty"])
    assert f"nvidia.com/gpu=7 is in {folder}/x.yaml:4, {folder}/y.yaml:4" == first["seen"][0]


def test_steps_are_never_run(diagnose, workdir):
    """Whatever the steps and the engines that are looked for: no program is started."""
    programs = workdir / "bin"
    programs.mkdir()
    for name in ("sudo", "nvidia-ctk", "nvidia-smi", "docker", "dockerd", "podman", "containerd", "crio", "kubelet"):
        (programs / name).write_text(f"#!/bin/sh\ntouch {workdir}/started\n")
        (programs / name).chmod(0o755)
    done = diagnose(text=ERROR, env=os.environ | {"PATH": f"{programs}:{os.environ['PATH']}"})
    assert 0 == done.returncode
    assert not (workdir / "started").exists()


def test_a_log_of_a_gibibyte(diagnose, workdir):
    """Only its end is read, in a moment; the answer says that it was cut."""
    log = workdir / "log"
    with log.open("wb") as file:
        file.truncate(1 << 30)
        file.seek(0, os.SEEK_END)
        file.write(ERROR.encode())
    begin = time.monotonic()
    done = diagnose(log, "-o", "json")
    assert 30 > time.monotonic() - begin
    assert "cdi.folder-empty" in codes(done)
    assert json.loads(done.stdout)["text"]["cut"]
    assert diagnose(log).stdout.startswith("The text is long: its last 32 MiB count")


def test_what_was_read_before_is_not_read_again(workdir):
    """A file on standard input is read from where it stands."""
    (workdir / "log").write_text("Failed to initialize NVML: Unknown Error\n" + ERROR)
    with (workdir / "log").open("rb", buffering=0) as file:
        file.readline()
        done = subprocess.run([*COMMAND, "-o", "json"], stdin=file, capture_output=True, text=True, timeout=60)
    assert "nvml.unknown-error" not in codes(done)
    assert "cdi.unresolvable" in {cause["symptom"] for cause in json.loads(done.stdout)["causes"]}


def test_a_long_pipe(diagnose):
    """A pipe has no end to seek: its last part counts too."""
    done = diagnose("-o", "json", text="x" * (70 << 20) + "\n" + ERROR)
    assert "cdi.folder-empty" in codes(done)
    assert json.loads(done.stdout)["text"]["cut"]


def test_on_a_terminal_it_says_what_it_waits_for(workdir):
    """Who starts it without anything is told to paste, and to end with Ctrl-D."""
    command = [*COMMAND, "--cdi-spec-dir", str(workdir)]
    with pexpect.spawn(command[0], command[1:], encoding="utf-8", timeout=60, dimensions=(50, 100)) as terminal:
        terminal.expect(ASK)
        terminal.send(ERROR)
        terminal.sendeof()
        terminal.expect("cdi.folder-empty")
        terminal.expect(pexpect.EOF)
    assert 0 == terminal.exitstatus


@pytest.fixture
def engine():
    """Have podman start a container with a CDI device, with this spec, in mounts of its own; return what it says."""
    world.needs_root()
    world.needs_namespaces()
    if shutil.which("podman") is None:
        pytest.skip("needs: podman")

    def run(spec):
        command = ["unshare", "--mount", "sh", "-c", ENGINE]
        done = subprocess.run(command, input=spec, capture_output=True, text=True, timeout=120)
        if "CDI" not in done.stderr:
            pytest.skip(f"needs: podman that works: {done.stderr.strip().splitlines()[-1:]}")
        return done.stderr

    return run


def test_what_podman_really_says(diagnose, engine):
    """A device that no spec has, and a spec that podman refuses: real output leads to the right causes."""
    good = SPEC.replace("nvidia.com", "openshell.example")
    said = engine(good)
    assert ["cdi.folder-empty"] == codes(diagnose("-o", "json", text=said))
    assert "openshell.example/gpu=7" in diagnose(text=said).stdout
    said = engine(good.replace("containerEdits", "containerEditz"))
    assert ["cdi.unknown-field", "cdi.folder-empty"] == codes(diagnose("-o", "json", text=said))
    said = engine(good.replace('"0"', '"7"').replace("env: [A=b]", "deviceNodes: [{path: /dev/nvidia977}]"))
    assert "cdi.node-missing" == codes(diagnose("-o", "json", text=said))[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("--device=openshell.example/gpu=7", {"cdi.off", "docker.cdi-unresolvable"}),
        ("--gpus=all", {"docker.no-gpu-driver", "docker.no-gpu-vendor"}),
        ("--runtime=nvidia", {"docker.runtime-unknown"}),
    ],
)
def test_what_docker_really_says(diagnose, option, expected):
    """Whatever its version: a daemon without CDI or without the device, without a GPU driver, without the runtime."""
    try:
        with engines.docker() as engine:
            command = [*engine.command, "run", "--rm", "--network=none", option, "place", "/bin/true"]
            done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    except engines.Missing as missing:
        pytest.skip(str(missing))
    if not done.returncode:
        pytest.skip("needs: docker without NVIDIA's toolkit")
    answer = json.loads(diagnose("-o", "json", text=done.stderr).stdout)
    assert expected & {cause["symptom"] for cause in answer["causes"]}
