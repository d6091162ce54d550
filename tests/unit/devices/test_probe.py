"""The probe's parts: a step in a child, where the library may lie, which Python is asked, when CUDA works."""

import errno
import faulthandler
import os
import select
import signal
import sys
import time

import pytest

from pyopenshell.devices.probe import apart, attempt, library, needs, probing, product, steps
from pyopenshell.devices.probe.steps import Step

TORCH = """
version = __version__ = "9.9"
class Cuda: cuda = {cuda!r}
version = Cuda
class Numbers:
    def __getattr__(self, name): return lambda *given: self
    __mul__ = __mod__ = __matmul__ = lambda self, other: self
def arange(count): return Numbers()
def device(name):
    {start}
    return name
def equal(a, b): return {right}
class cuda:
    get_device_name = staticmethod(lambda device: "A pretended GPU")
"""


def died(number):
    """An action that is ended by a signal, quietly: pytest would have it print a stack."""

    def end(_tell):
        faulthandler.disable()
        os.kill(os.getpid(), number)

    return end


def test_what_a_child_tells_is_known():
    """Later words win, and what it printed is not among them."""

    def action(tell):
        print("not for anybody", flush=True)
        tell({"at": "first", "kept": 1})
        tell({"at": "second"})

    ended = apart.run(action, 10)
    assert ({"at": "second", "kept": 1}, "") == (ended.told, ended.death)


@pytest.mark.parametrize(
    ("action", "death"),
    [
        (died(signal.SIGSEGV), "died of SIGSEGV"),
        (died(signal.SIGABRT), "died of SIGABRT"),
        (lambda _tell: os._exit(3), "ended with exit code 3"),
        (lambda _tell: signal.pause(), "did not end within 0.2 seconds"),
    ],
    ids=["crash", "abort", "exit", "hang"],
)
def test_how_a_child_ends(action, death):
    """In words; what it told before is kept."""

    def both(tell):
        tell({"at": "work"})
        action(tell)

    ended = apart.run(both, 0.2 if "within" in death else 10)
    assert ({"at": "work"}, death) == (ended.told, ended.death)


def test_an_error_of_the_system_is_told():
    """With its path; another exception with its name."""
    assert "No such file or directory (/missing)" == apart.run(lambda _: os.stat("/missing"), 10).told["problem"]
    assert "ZeroDivisionError: " in apart.run(lambda _: 1 // 0, 10).told["problem"]


def test_a_grandchild_holds_nobody_up():
    """It keeps the pipe open after the child's end, and is ended with the child's group."""
    begin = time.monotonic()
    ended = apart.execute(["sh", "-c", 'sleep 600 & echo "{\\"pid\\": $!}"'], 60)
    assert "" == ended.death
    assert time.monotonic() - begin < 30
    assert _ends(ended.told["pid"])


def _ends(pid):
    """Whether a process is gone, or soon is: it was killed, and nobody waits for it here."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([pidfd], [], [], 30)[0])
    finally:
        os.close(pidfd)


def test_a_program_that_cannot_be_executed():
    """Is told as that."""
    assert "cannot execute /missing: No such file or directory" == apart.execute(["/missing"], 10).told["problem"]


def test_no_memory_is_left_in_a_file():
    """A child that dies may not leave a core file."""
    import resource

    ended = apart.run(lambda tell: tell({"limit": resource.getrlimit(resource.RLIMIT_CORE)}), 10)
    assert [0, 0] == ended.told["limit"]


def test_where_the_library_may_lie(monkeypatch, tmp_path):
    """LD_LIBRARY_PATH first, then what the loader's cache names, then known folders; each once."""
    cache = tmp_path / "ld.so.cache"
    cache.write_bytes(b"glibc-ld.so.cache1.1\0libcuda.so.1\0/opt/driver/libcuda.so.1\0/opt/driver/libcuda.so\0")
    monkeypatch.setattr(library, "LOADER_CACHE", str(cache))
    found = list(library.candidates({"LD_LIBRARY_PATH": "/first::/usr/lib64"}))
    assert ["/first/libcuda.so.1", "/usr/lib64/libcuda.so.1", "/opt/driver/libcuda.so.1"] == found[:3]
    assert len(set(found)) == len(found)


def test_a_file_that_is_no_library(monkeypatch, tmp_path):
    """The loader's own words are kept."""
    monkeypatch.setattr(library, "FOLDERS", ())
    (tmp_path / "libcuda.so.1").write_text("not a library, but long enough to be read as one " * 9)
    ended = apart.run(lambda tell: tell({"tried": _tried(tmp_path)}), 10)
    assert {"name": f"{tmp_path}/libcuda.so.1", "answer": "invalid ELF header"} in ended.told["tried"]


def _tried(folder):
    return [one.as_dict() for one in library.find({"LD_LIBRARY_PATH": str(folder)})[1]]


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.159.04  Tue Sep 1 10:00:00 UTC 2026\n", "580.159.04"),
        ("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.86.15  Release Build\n", "570.86.15"),
        ("", None),
    ],
)
def test_versions(tmp_path, text, version):
    """Of the library by its file's name, and of the driver in the kernel by its own words."""
    module = tmp_path / "version"
    module.write_text(text)
    assert ("580.1", version) == library.versions("/x/libcuda.so.580.1", str(module))
    assert (None, None) == library.versions("/x/libcuda.so.1", str(tmp_path / "missing"))


def interpreter(folder, name, *, torch=None):
    """Make a Python in a folder: this one, with a PyTorch or without."""
    folder.mkdir(exist_ok=True)
    if torch is not None:
        (folder / "modules").mkdir()
        (folder / "modules" / "torch.py").write_text(torch)
    # -S: what is installed beside this interpreter must not count
    words = f'export PYTHONPATH={folder}/modules\nexec {sys.executable} -S "$@"\n'
    (folder / name).write_text(f"#!/bin/sh\n{words}")
    (folder / name).chmod(0o755)
    return str(folder / name)


def torch(cuda="13.0", right=True, start="pass"):
    return TORCH.format(cuda=cuda, right=right, start=start)


def test_the_first_python_with_pytorch(monkeypatch, tmp_path):
    """Our own comes first, then PATH in its order; relative folders of it are passed over."""
    without = interpreter(tmp_path / "a", "python3")
    second = interpreter(tmp_path / "b", "python", torch=torch())
    interpreter(tmp_path / "c", "python3", torch=torch())
    monkeypatch.setattr(sys, "executable", without)
    monkeypatch.chdir(tmp_path / "c")
    path = {"PATH": f".::{tmp_path}/a:{tmp_path}/b:{tmp_path}/c"}
    assert second == product.search(None, path)
    assert "/given" == product.search("/given", path)
    assert None is product.search(None, {"PATH": f"{tmp_path}/a"})


def test_a_module_in_the_current_folder_is_not_pytorch(monkeypatch, tmp_path):
    """A file of that name where somebody happens to be is not executed."""
    (tmp_path / "torch.py").write_text("raise SystemExit('imported')")
    monkeypatch.chdir(tmp_path)
    found = interpreter(tmp_path / "a", "python3")
    monkeypatch.setattr(sys, "executable", found)
    assert None is product.search(None, {})


@pytest.mark.parametrize(
    ("module", "status", "message"),
    [
        (torch(), "ok", "a 1024 x 1024 product on A pretended GPU, by PyTorch 9.9 of PYTHON"),
        (torch(right=False), "failed", "a 1024 x 1024 product on A pretended GPU, by PyTorch 9.9 of PYTHON, is wrong"),
        (torch(cuda=None), "not tried", "PyTorch 9.9 of PYTHON was built without CUDA"),
        (torch(start="raise RuntimeError('error 304')"), "failed", "RuntimeError: error 304"),
        (torch(start="import os; os.abort()"), "failed", "PYTHON died of SIGABRT while starting CUDA"),
        ("raise ImportError('libcudart is missing')", "failed", "ImportError: libcudart is missing"),
    ],
    ids=["right", "wrong", "without CUDA", "error", "abort", "broken"],
)
def test_a_product(tmp_path, module, status, message):
    """What each outcome is told as."""
    python = interpreter(tmp_path / "a", "python3", torch=module)
    step = product.multiply(python, 60)
    assert (status, message) == (step.status, step.message.replace(python, "PYTHON"))


def verdict(*statuses):
    """Return whether CUDA works after steps that came out like this."""
    return probing.Probe(tuple(Step(str(index), status, "") for index, status in enumerate(statuses))).works


def test_when_cuda_works():
    """A device is shown, and nothing that was tried failed; PyTorch may be missing."""
    assert verdict("ok", "ok", "ok", "ok")
    assert verdict("ok", "ok", "ok", "not tried")
    assert not verdict("ok", "ok", "ok", "failed")
    assert not verdict("ok", "ok", "failed", "not tried")
    assert not verdict("failed", "not tried", "not tried", "not tried")


@pytest.mark.parametrize(
    ("way", "status", "answer", "by", "words"),
    [
        ("device", "denied", "EACCES", f"{attempt.MODES}: crw-------, of 0:0", "sudo chmod 0666 /dev/x"),
        ("device", "denied", "EACCES", attempt.LANDLOCK, "the need's own"),
        ("device", "denied", "EACCES", attempt.MOUNT, "findmnt -T /dev/x"),
        ("device", "denied", "EPERM", attempt.CGROUP, "--device /dev/x"),
        ("device", "failed", "ENXIO", None, "sudo nvidia-modprobe -c 0 -u"),
        ("device", "failed", "EIO", None, "dmesg"),
        ("device", "missing", "ENOENT", None, "the need's own"),
        ("capability", "denied", "EACCES", f"{attempt.MODES}: cr--------, of 0:0", "sudo chmod a+r /dev/x"),
        ("capability", "denied", "EPERM", attempt.CGROUP, "--device /dev/x"),
        ("connect", "denied", "EACCES", f"{attempt.MODES}: srw-------, of 0:0", "sudo chmod a+rw /dev/x"),
        ("write", "denied", "EACCES", f"{attempt.MODES}: drwx------, of 0:0", "the need's own"),
        ("read", "denied", "EPERM", attempt.FILTER, "the need's own"),
    ],
)
def test_who_denied_it_decides_what_mends_it(way, status, answer, by, words):
    """To ask for the GPU opens no file mode, and no mode opens a sandbox's rules."""
    mend = needs.Lacking(needs.Need(way, "/dev/x", "reason", "the need's own"), status, answer, by).mend
    assert words in mend
    assert (words == "the need's own") == (mend == words)


def test_a_capability_is_opened_for_reading(tmp_path):
    """The mode of a MIG instance's node gives no more; a denier judges it by that."""
    (tmp_path / "node").write_text("")
    (tmp_path / "node").chmod(0o444)
    attempt.capability(str(tmp_path / "node"))
    assert attempt.LANDLOCK == attempt.denier("capability", str(tmp_path / "node"), errno.EACCES)
    assert attempt.CGROUP == attempt.denier("capability", str(tmp_path / "node"), errno.EPERM)


def test_a_library_of_another_version_is_told(monkeypatch):
    """Library and kernel module must be of one version: CUDA's error 803 says only that they are not."""
    told = {"name": "libcuda.so.1", "path": "/x/libcuda.so.580.1", "tried": []}
    told |= {"library_version": "580.1", "module_version": "570.2"}
    monkeypatch.setattr(apart, "run", lambda action, limit: apart.Ended(told, "", 0.1))
    step = steps.load(1)
    assert "ok" == step.status
    assert "it is version 580.1, the driver in the kernel 570.2" in step.message
