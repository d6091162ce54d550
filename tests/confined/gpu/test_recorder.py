"""The recorder of system calls sees what strace sees; what it saw of CUDA's start is told in words."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter

import pytest
from evidence import calls, gpu, gpu_host, recorder

from tests.confined.gpu import fake
from tests.confined.launch import world

PRETENDED = {"FAKE_CUDA_NODES": "/dev/zero /dev/missing", "FAKE_CUDA_GPUS": "/dev/zero /dev/full"}
WATCHED = ("openat", "ioctl", "memfd_create", "execve", "connect", "write", "clone", "clone3", "vfork", "wait4")
RECORD = """
import json, sys
from evidence import calls, recorder
log, seen = calls.Log(), []
def done(call):
    log.add(call)
    seen.append([call.name, list(call.noted), call.result])
code = recorder.record(sys.argv[1:], calls.note, done)
print(json.dumps({"code": code, "seen": seen, "parts": log.parts()}), file=sys.stderr)
"""
STOPPING = """
import os, select, signal, sys
reader, writer = os.pipe()
pid = os.fork()
if pid == 0:
    os.kill(os.getpid(), signal.SIGSTOP)
    os.write(writer, b"x")
    os._exit(7)
_, status = os.waitpid(pid, os.WUNTRACED)
if not os.WIFSTOPPED(status) or select.select([reader], [], [], 0.3)[0]:
    sys.exit(1)
os.kill(pid, signal.SIGCONT)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """The pretended driver library."""
    return fake.build(tmp_path_factory.mktemp("cuda"))


def watched(*command, **environment):
    """Record a program in a process of its own; return what was seen."""
    world.needs_python()
    done = subprocess.run(
        [sys.executable, "-c", RECORD, *map(str, command)],
        cwd=gpu_host.CHECKOUT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=world.SECONDS,
    )
    assert 0 == done.returncode, done.stderr
    return json.loads(done.stderr.splitlines()[-1])


def program(library):
    """A shell that starts CUDA in a child, gets signals, stops, and becomes another program."""
    script = "trap : USR1; " + '"$@"; ls /missing 2>&1; kill -USR1 $$; (exit 5) & wait; exec sh -c "exit 3"'
    return ["/bin/sh", "-c", script, "sh", world.PYTHON, "-I", "-S", gpu.PROGRAM, str(library)]


def test_it_sees_what_strace_sees(library, tmp_path):
    """Each call of every process and thread, with the same result, and the program ends as it would."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("needs: strace")
    file = tmp_path / "trace"
    command = [strace, "-f", "-qq", "-a1", "-o", str(file), "-e", f"trace={','.join(WATCHED)}", *program(library)]
    done = subprocess.run(command, env=os.environ | PRETENDED, capture_output=True, check=False, timeout=world.SECONDS)
    seen = watched(*program(library), **PRETENDED)
    assert (3, 3) == (done.returncode, seen["code"])
    assert _traced(file.read_text()) == Counter(_told(one) for one in seen["seen"] if one[0] in WATCHED)


def _told(one):
    """A call as it is compared: with its path where it has one, and how it ended."""
    name, noted, result = one
    path = calls.plain(noted[0]) if name in ("openat", "execve", "memfd_create") else ""
    return name, path, calls.result(result)


def _traced(text):
    """Strace's lines in the same form. A call that another thread interrupts is on two lines."""
    begun = {}
    found: Counter[tuple[str, str, str]] = Counter()
    for line in text.splitlines():
        tid, _, rest = line.partition(" ")
        rest = rest.strip()
        if rest.endswith("<unfinished ...>"):
            begun[tid] = rest.removesuffix("<unfinished ...>")
            continue
        resumed = re.fullmatch(r"<\.\.\. \w+ resumed>(.*)", rest)
        whole = begun.pop(tid) + resumed[1] if resumed else rest
        match = re.fullmatch(r"(\w+)\((.*)\) *= (-?\w+)(?: (E\w+).*)?.*", whole)
        if match:
            name, arguments, value, error = match.groups()
            path = re.search(r'"([^"]*)"', arguments)
            shown = calls.plain(path[1]) if path and name in ("openat", "execve", "memfd_create") else ""
            found[name, shown, error or ("no return" if value == "?" else "ok")] += 1
    return found


def test_what_cuda_asks_for(library):
    """The thread's name, devices and their ioctls, procfs, memory, the daemon's socket: each once, and in its part."""
    seen = watched(world.PYTHON, "-I", "-S", gpu.PROGRAM, library, **PRETENDED)
    rows = {
        (row["call"], row["subject"], row["how"], row["result"]): row["count"]
        for row in seen["parts"]["cuInit(0)"]["rows"]
    }
    assert {
        ("openat", "/dev/zero", "O_RDWR", "ok"): 2,
        ("openat", "/dev/full", "O_RDWR", "ok"): 1,
        ("openat", "/dev/missing", "O_RDWR", "ENOENT"): 1,
        ("ioctl", "/dev/zero", "0xc02046c8 ('F', 0xc8, 32)", "ENOTTY"): 2,
        ("ioctl", "/dev/full", "0xc02046c8 ('F', 0xc8, 32)", "ENOTTY"): 1,
        **{("openat", f"/proc/{name}", "O_RDONLY", "ok"): 1 for name in ("self/maps", "devices", "cpuinfo", "meminfo")},
        ("memfd_create", "cuda-shared", "", "ok"): 1,
        ("connect", "/run/nvidia-persistenced/socket", "", "ENOENT"): 1,
        ("openat", "/proc/self/task/<tid>/comm", "O_RDWR", "ok"): 1,
        ("write", "/proc/<pid>/task/<tid>/comm", "cuda<n>", "ok"): 1,
    } == rows
    loading = [row["subject"] for row in seen["parts"]["loading the library"]["rows"]]
    assert str(library) in loading


def test_a_stop_is_a_stop():
    """A child that stops itself stands still until it is told to go on, as it does when nobody watches."""
    assert 7 == watched(world.PYTHON, "-I", "-S", "-c", STOPPING)["code"]


def test_a_watched_program_that_crashes(library):
    """Its end is the signal's, and the call it died in is known."""
    seen = watched(world.PYTHON, "-I", "-S", gpu.PROGRAM, library, FAKE_CUDA="crash")
    assert -11 == seen["code"]


def test_a_program_that_is_missing():
    """It never ran."""
    assert 127 == watched("/missing")["code"]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0xC02046C8, "0xc02046c8 ('F', 0xc8, 32)"),
        (0x30000001, "0x30000001"),
        (0x5401, "0x5401"),
        (0xFFFFFFFF_C00846D6, "0xc00846d6 ('F', 0xd6, 8)"),
    ],
)
def test_requests(value, words):
    """NVIDIA's driver follows the kernel's form, that of unified memory does not; 32 bits of it count."""
    assert words == calls.request(value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/proc/1234/task/99/comm", "/proc/<pid>/task/<tid>/comm"),
        ("/proc/self/task/99/comm", "/proc/self/task/<tid>/comm"),
        ("pipe:[12345]", "pipe"),
        ("/dev/nvidia0", "/dev/nvidia0"),
        ("/tmp/cuda.0123456.log", "/tmp/cuda.<n>.log"),
    ],
)
def test_numbers_that_differ(text, expected):
    """From run to run are taken out, those that name a device are not."""
    assert expected == calls.plain(text)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (os.O_RDWR | os.O_CLOEXEC, "O_RDWR"),
        (os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_TRUNC, "O_WRONLY|O_CREAT|O_EXCL|O_TRUNC"),
        (os.O_RDONLY | os.O_DIRECTORY, "O_RDONLY|O_DIRECTORY"),
    ],
)
def test_flags(value, words):
    """What is asked for, without what only concerns the descriptor."""
    assert words == calls.flags(value)


def test_a_string_that_is_nowhere():
    """Memory that cannot be read is no error: the call will get the kernel's own."""
    assert "?" == recorder.string(os.getpid(), 8)
    assert "?" == recorder.descriptor(os.getpid(), 12345)
