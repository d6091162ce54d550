"""docs/evidence/gpu.md is what its record says, and says so where there is none."""

import json
from pathlib import Path

import pytest
from evidence import gpu, gpu_host
from evidence.gpu_page import render

CHECKOUT = Path(gpu_host.CHECKOUT)


def test_the_page():
    """It was made from the record beside it: ``make evidence-gpu`` writes both."""
    assert gpu.page(gpu_host.CHECKOUT) == (CHECKOUT / gpu.PAGE).read_text()


def test_without_a_record():
    """Nothing is said to have been measured then."""
    page = render(None)
    assert "No GPU has run this yet" in page
    assert "## cuInit(0)" not in page


def test_the_record():
    """What is committed was recorded on a GPU that works: CUDA started, and under ``off`` it did not."""
    file = CHECKOUT / gpu.RECORD
    if not file.exists():
        assert "No GPU has run this yet" in (CHECKOUT / gpu.PAGE).read_text()
        return
    found = json.loads(file.read_text())
    start, counted, count = found["recorded"]["answers"]
    assert (0, 0) == (start, counted)
    assert 0 < count
    assert 304 == found["modes"]["off"]["steps"]["cuInit(0)"]["code"]


ROWS = [
    {"call": "openat", "subject": "/dev/nvidiactl", "how": "O_RDWR", "result": "ok", "count": 3},
    {"call": "openat", "subject": "/proc/devices", "how": "O_RDONLY", "result": "ok", "count": 1},
    {"call": "ioctl", "subject": "/dev/nvidiactl", "how": "0xc00846d6", "result": "ok", "count": 2},
    {"call": "ioctl", "subject": "/dev/nvidiactl", "how": "0x30000001", "result": "ok", "count": 1},
    {"call": "write", "subject": "/proc/<pid>/task/<tid>/comm", "how": "cuda|x", "result": "ok", "count": 1},
    {"call": "memfd_create", "subject": "cuda", "how": "", "result": "ok", "count": 1},
    {"call": "connect", "subject": "/run/a/socket", "how": "", "result": "ENOENT", "count": 1},
]
FACTS: dict[str, object] = {
    "date": "2026-01-02",
    "gpus": ["A GPU"],
    "driver": "580.1",
    "kernel": "6.18",
    "machine": "x86_64",
}
FACTS |= {
    "landlock_abi": 7,
    "seccomp_notification": True,
    "python": "3.12.3",
    "pytorch": "/a/python3",
    "started_by": "root",
}
STEPS = {name: {"status": "ok", "code": None} for name in ("cuInit(0)", "devices", "PyTorch")}
FOUND = {
    "facts": FACTS,
    "recorded": {"answers": [0, 0, 1], "parts": {"cuInit(0)": {"calls": {"openat": 4, "ioctl": 3}, "rows": ROWS}}},
    "modes": {
        "broker": {"steps": STEPS, "lacking": []},
        "off": {"steps": {**STEPS, "cuInit(0)": {"status": "failed", "code": 304}}, "lacking": ["/proc/x"]},
        "write_file": {"problem": "openshell: no"},
    },
}


@pytest.mark.parametrize(
    "line",
    [
        "Recorded on 2026-01-02: A GPU, driver 580.1; Linux 6.18, x86_64, Landlock ABI 7, seccomp notification: yes;",
        "`cuInit(0)` returned 0, `cuDeviceGetCount` 0, with 1 devices.",
        "| `broker` | ok | ok | ok | nothing |",
        "| `off` | failed 304 | ok | ok | `/proc/x` |",
        "| `write_file` | openshell: no |  |  |  |",
        "| openat | `/dev/nvidiactl` | `O_RDWR` | ok | 3 |",
        r"| write | `/proc/<pid>/task/<tid>/comm` | `cuda\|x` | ok | 1 |",
        "| `/dev/nvidiactl` | ok | 3 | 0xc00846d6 x 2; 0x30000001 x 1 |",
        "`openat` 4, `ioctl` 3.",
    ],
)
def test_what_a_page_says(line):
    """A record's rows, each where it belongs."""
    assert line in render(FOUND)
