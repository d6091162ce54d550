"""That the rights the process baseline gives on devices are enough and needed, as the kernel sees it."""

import os
import termios

import pytest

from pyopenshell.baseline.process import PLAIN_DEVICE, TERMINALS
from pyopenshell.landlock.downgrade import handled
from pyopenshell.policy.access import DEVICE
from tests.confined.landlock import harness

pytestmark = harness.needs_landlock
HANDLED = handled(harness.ABI, tcp=False)
needs_ioctl = pytest.mark.skipif(harness.ABI < 5, reason="needs: Landlock ABI 5 (ioctl_dev)")


def redirect():
    """What a shell's ``> /dev/null`` does."""
    fd = os.open("/dev/null", os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    os.write(fd, b"x")


@pytest.mark.parametrize(
    ("rights", "expected"),
    [(PLAIN_DEVICE, 0), (("read_file",), 13), (("write_file",), 13)],
)
def test_plain_devices_open_either_way(rights, expected):
    """read_file and write_file are needed, and enough for redirections: truncate is not."""
    assert expected == harness.confined(redirect, HANDLED, [("/dev/null", rights)])


def terminal():
    """Make a terminal and ask for its settings."""
    try:
        for fd in os.openpty():
            termios.tcgetattr(fd)
    except termios.error as error:
        raise OSError(*error.args) from None


@needs_ioctl
@pytest.mark.parametrize(
    ("ptmx", "pts", "expected"),
    [
        (DEVICE, TERMINALS, 0),
        (PLAIN_DEVICE, TERMINALS, 13),
        (DEVICE, PLAIN_DEVICE, 13),
    ],
)
def test_terminals_need_their_ioctls(ptmx, pts, expected):
    """Without ioctl_dev on both sides no terminal can be made and used."""
    rules = [(os.path.realpath("/dev/ptmx"), ptmx), ("/dev/pts", pts)]
    assert expected == harness.confined(terminal, HANDLED, rules)
