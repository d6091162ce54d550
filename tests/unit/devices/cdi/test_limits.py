"""Large and hostile specs are read, or refused, in seconds."""

import time

import pytest

from pyopenshell.devices.cdi import registry
from pyopenshell.devices.cdi.read import read_bytes

DEVICE = """\
- name: "{0}"
  containerEdits:
    deviceNodes:
    - path: /dev/nvidia{0}
      hostPath: /dev/nvidia{0}
      permissions: rw
    mounts:
    - hostPath: /usr/lib/x86_64-linux-gnu/libcuda.so.550.54.15
      containerPath: /usr/lib/x86_64-linux-gnu/libcuda.so.550.54.15
      options: [ro, nosuid, nodev, bind]
"""
SECONDS = 60
"""What no file may take: ten times what the slowest takes on a slow machine."""


@pytest.fixture
def clock():
    """Fail a test that takes too long."""
    start = time.monotonic()
    yield
    assert time.monotonic() - start < SECONDS


def many(count, text=DEVICE):
    """A spec with so many devices."""
    head = "cdiVersion: 0.5.0\nkind: nvidia.com/gpu\ndevices:\n"
    return (head + "".join(text.format(number) for number in range(count))).encode()


@pytest.mark.usefixtures("clock")
def test_twenty_thousand_devices_in_ten_megabytes():
    """All are read, with their lines, found and listed."""
    data = many(20_000)
    data += b"#" * (10_000_000 - len(data))
    reading = read_bytes(data, "a.yaml")
    assert () == reading.faults
    found = registry.gather([reading])
    assert ("nvidia.com/gpu=0", "nvidia.com/gpu=19999") == (found.names()[0], found.names()[-1])
    assert 4 + 19_999 * 10 == found.find("nvidia.com/gpu=19999").device.line


@pytest.mark.usefixtures("clock")
def test_as_many_conflicts():
    """Two such specs conflict in one fault."""
    small = '- {{name: "{0}", containerEdits: {{env: [A=1]}}}}\n'
    readings = [read_bytes(many(5_000, small), name) for name in ("a.yaml", "b.yaml")]
    found = registry.gather(readings)
    assert (1, 5_000, ()) == (len(found.faults), len(found.conflicts), found.names())
    assert "and 4,999 more" in found.faults[0].message


@pytest.mark.usefixtures("clock")
def test_as_many_faults():
    """A hundred of them are kept, and that there are more."""
    reading = read_bytes(many(5_000, "- name: {0}\n  continerEdits: []\n"), "a.yaml")
    assert (101, "cdi.too-many-faults") == (len(reading.faults), reading.faults[-1].code)


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(
    ("piece", "code"),
    [
        (b"[", "cdi.too-deep"),
        (b"{a: ", "cdi.too-deep"),
        (b"- ", "cdi.too-deep"),
        (b"\x00\xff", "cdi.not-text"),
        (b"\x07", "cdi.not-text"),
        (b"a\n", "cdi.wrong-type"),
        (b"'", "cdi.wrong-type"),
        (b"a: b\n", "cdi.duplicate-key"),
        (b"- a\n", "cdi.too-large"),
        (b"---\n", "cdi.empty"),
        (b"\n", "cdi.empty"),
        (b"&a ", "cdi.syntax"),
        (b"? ", "cdi.too-deep"),
        (b"%A\n", "cdi.syntax"),
        (b"!", "cdi.tag"),
    ],
)
def test_ten_megabytes_of_one_thing(piece, code):
    """Whatever it is, it is refused with its own code."""
    data = piece * (10_000_000 // len(piece))
    assert code in [fault.code for fault in read_bytes(data, "a.yaml").faults]
