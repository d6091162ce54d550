"""What CUDA needs, tried one by one: what is lacking and in which order, and what trying leaves."""

import errno
import os
import signal
from pathlib import Path

from pyopenshell.devices.probe import attempt, needs
from pyopenshell.devices.probe.needs import Need
from tests.unit.devices.test_probe import died


def need(path, *errors, group=None, optional=False, way="read"):
    """A need of this path."""
    return Need(way, str(path), "to work", "mend it", errors, group, optional)


def test_what_is_lacking_and_in_which_order(tmp_path, monkeypatch):
    """What is denied before what failed, that before what is missing; in each, what is known for this error first."""
    answers = {"denied": errno.EACCES, "for 304": errno.EPERM, "broken": errno.EIO, "absent": errno.ENOENT, "fine": 0}

    def read(path):
        if answers[path]:
            raise OSError(answers[path], os.strerror(answers[path]), path)

    monkeypatch.setitem(attempt.WAYS, "read", read)
    wanted = [need("absent"), need("broken"), need("denied"), need("for 304", 304), need("fine", 304)]
    wanted.append(need("absent", optional=True))
    found = needs.lacking(wanted, 304, 10)
    expected = [("for 304", "EPERM"), ("denied", "EACCES"), ("broken", "EIO"), ("absent", "ENOENT")]
    assert expected == [(one.need.path, one.answer) for one in found]
    assert ["denied", "denied", "failed", "missing"] == [one.status for one in found]


def test_one_of_a_group_is_enough(tmp_path):
    """Of several GPUs one that opens will do; where none does, all are named."""
    (tmp_path / "one").write_text("x")
    here, gone, other = (need(tmp_path / name, group="gpu") for name in ("one", "two", "three"))
    assert () == needs.lacking([gone, here, other], 100, 10)
    assert [gone, other] == [one.need for one in needs.lacking([gone, other], 100, 10)]


def test_an_attempt_that_dies_is_a_result(monkeypatch):
    """The others are tried without it; so is one that hangs."""
    monkeypatch.setitem(attempt.WAYS, "device", died(signal.SIGBUS))
    monkeypatch.setitem(attempt.WAYS, "connect", lambda path: signal.pause())
    wanted = [need("a", way="device"), need("/", way="read"), need("b", way="connect"), need("/missing")]
    found = needs.lacking(wanted, 304, 0.5)
    assert [
        ("a", "failed", "the process that tried died of SIGBUS"),
        ("b", "failed", "the process that tried did not end within 0.5 seconds"),
        ("/missing", "missing", "ENOENT"),
    ] == [(one.need.path, one.status, one.answer) for one in found]


def test_ways_that_work_leave_nothing(tmp_path):
    """Every way tried where it is allowed, and a cache folder that is not there yet."""
    kept = sorted(os.listdir(tmp_path))
    wanted = [need(needs.THREAD_NAMES, way="thread name"), need("memfd", way="memory"), need("/proc/devices")]
    wanted += [need(tmp_path, way="write"), need(tmp_path / "not" / "there", way="write"), need("/proc")]
    assert () == needs.lacking([*wanted, need("/dev/zero", way="device")], 304, 10)
    assert kept == sorted(os.listdir(tmp_path))


def test_the_cache_that_is_in_force():
    """CUDA_CACHE_PATH, else the home folder's, unless CUDA is told to keep nothing."""

    def cache(environ):
        return [one.path for one in needs.table(environ) if one.way == "write" and one.path != "/dev/shm"]

    assert ["/cache"] == cache({"CUDA_CACHE_PATH": "/cache", "HOME": "/home/me"})
    assert ["/home/me/.nv/ComputeCache"] == cache({"HOME": "/home/me"})
    assert [] == cache({"HOME": "/home/me", "CUDA_CACHE_DISABLE": "1"})


def test_the_page_has_every_need():
    """docs/gpu.md names each path of the table."""
    page = (Path(__file__).parents[3] / "docs" / "gpu.md").read_text()
    names = [one.path for one in (*needs.FIRST, *needs.REST)] + [f"/dev/{name}" for name in needs.CONTROL]
    assert [] == [name for name in (*names, needs.CACHE[0], needs.CACHE[2]) if name not in page]


def test_mig_capabilities(monkeypatch, tmp_path):
    """The nodes of instances by the numbers that the driver tells; those that manage the host are left out."""
    for folder, minor in {"gpu0/mig/gi3": 21, "gpu0/mig/gi3/ci0": 22, "mig": 1}.items():
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / "access").write_text(f"DeviceFileMinor: {minor}\nDeviceFileMode: 292\n")
    monkeypatch.setattr(needs, "CAPABILITIES", str(tmp_path))
    monkeypatch.setattr(os.path, "exists", lambda path: True)
    assert ["/dev/nvidia-caps/nvidia-cap21", "/dev/nvidia-caps/nvidia-cap22"] == needs._capabilities()
