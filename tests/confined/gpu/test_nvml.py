"""NVML in a process of its own: a library that answers, fails, hangs, crashes and talks."""

import os
import sys
import time
from pathlib import Path

import pytest

from pyopenshell.devices import nvml
from pyopenshell.devices.gpu import Gpu, Mig
from tests.confined.gpu import fake_library

FIRST = Gpu(0, "nvidia", (), 1, "GPU-11111111-0000-0000-0000-000000000001", "NVIDIA H200", "0000:1a:00.0")
INSTANCES = (
    Mig(0, "MIG-aaaaaaaa-0000-0000-0000-00000000000a", "MIG 1g.18gb", 2, 0),
    Mig(2, "MIG-bbbbbbbb-0000-0000-0000-00000000000b", "MIG 3g.71gb", 5, 1),
)
SECOND = Gpu(1, "nvidia", (), 0, "GPU-22222222-0000-0000-0000-000000000002", "NVIDIA H200", "0000:c1:00.0", INSTANCES)
REST = "what it did not tell comes from /proc and /dev"


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """The folder that holds the pretended library."""
    return fake_library.build(tmp_path_factory.mktemp("library"))


@pytest.fixture
def ask(library, monkeypatch):
    """Ask a library that behaves so."""

    def ask(mode, seconds=nvml.SECONDS):
        for name, value in fake_library.environment(library, mode).items():
            monkeypatch.setenv(name, value)
        return nvml.ask(seconds)

    return ask


def children():
    """Return the processes that this one has started and not buried."""
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text()


@pytest.mark.parametrize("mode", ["two", "loud"])
def test_gpus_and_instances(ask, mode):
    """Everything it knows, with the instances' own places; what it prints by itself is no part of it."""
    assert nvml.Answer((FIRST, SECOND), "570.86.15") == ask(mode)


def test_a_gpu_without_address(ask):
    """What it does not support is not told."""
    expected = FIRST.replace(minor=None, bus=None, name="Orin (nvgpu)")
    assert nvml.Answer((expected,), "570.86.15") == ask("tegra")


def test_a_lost_gpu(ask):
    """The others are told, and the library's own words about it."""
    assert nvml.Answer((FIRST,), "570.86.15", ("NVML says of GPU 1: GPU is lost",)) == ask("lost")


def test_mig_mode_without_an_instance(ask):
    """CUDA finds nothing on such a GPU, which would otherwise look usable."""
    assert ("GPU 0 is in MIG mode, and no instance of it can be opened: CUDA finds nothing on it",) == ask(
        "empty-mig"
    ).notes


@pytest.mark.parametrize(
    ("mode", "words"), [("not-loaded", "Driver Not Loaded"), ("mismatch", "Driver/library version mismatch")]
)
def test_it_does_not_start(ask, mode, words):
    """Its own words are told."""
    assert nvml.Answer(notes=(f"NVML does not start: {words}",)) == ask(mode)


def test_no_library(ask, tmp_path, monkeypatch):
    """Where the driver's library is missing, that is told."""
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    try:
        import ctypes

        ctypes.CDLL("libnvidia-ml.so.1")
        pytest.skip("needs: a host without NVIDIA's driver")
    except OSError:
        pass
    assert nvml.Answer(notes=("NVML does not start: NVML Shared Library Not Found",)) == nvml.ask()


def test_no_binding(monkeypatch):
    """Where the binding is missing, what to install is told."""
    path = [folder for folder in sys.path if "site-packages" not in folder]
    monkeypatch.setattr("sys.path", path)
    assert ("NVML was not asked: its Python binding is not installed (pip install nvidia-ml-py)",) == nvml.ask().notes


def test_it_crashes(ask):
    """Its death is a note, and not ours; it leaves no core file."""
    assert nvml.Answer(notes=(f"NVML died of signal 11: {REST}",)) == ask("crash")


def test_it_crashes_late(ask):
    """What it told before counts."""
    assert nvml.Answer((FIRST,), "570.86.15", (f"NVML died of signal 11: {REST}",)) == ask("late")


def test_it_hangs(ask):
    """It is ended in time, and nothing is left of it."""
    before = children()
    begun = time.monotonic()
    assert nvml.Answer(notes=(f"NVML did not answer in time: {REST}",)) == ask("hang", seconds=1)
    assert time.monotonic() - begun < 10
    assert before == children()


def test_an_interrupt_ends_it(ask, monkeypatch):
    """Whoever gives up waiting leaves no hanging library behind."""

    def interrupted(*_):
        raise KeyboardInterrupt

    before = children()
    monkeypatch.setattr(nvml, "_read", interrupted)
    with pytest.raises(KeyboardInterrupt):
        ask("hang")
    assert before == children()


def test_odd_names(ask):
    """Tabs and newlines forge no line, and a name that is no text is none."""
    assert nvml.Answer((Gpu(0, "nvidia", (), 0, None, None, "x y"),), "570.86.15") == ask("odd")


def test_a_module_of_the_current_folder_is_not_loaded(ask, tmp_path, monkeypatch):
    """A file with the binding's name beside the caller is nobody's binding."""
    (tmp_path / "pynvml.py").write_text("import os; os._exit(3)")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", ["", *sys.path])
    assert (FIRST, SECOND) == ask("two").gpus


def test_no_interpreter(monkeypatch):
    """A caller that does not know its interpreter goes without."""
    monkeypatch.setattr("sys.executable", "")
    assert nvml.Answer(notes=("NVML was not asked: posix_spawn: argv first element cannot be empty",)) == nvml.ask()
