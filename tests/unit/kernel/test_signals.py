"""Signal numbers and their names against the ``signal`` module."""

from __future__ import annotations

import signal

import pytest

from pyopenshell.kernel import signals

CONSTANTS = {name: value for name, value in vars(signals).items() if name.startswith("SIG")}


def test_constants():
    """Every re-exported number is the standard module's."""
    assert len(CONSTANTS) > 20
    assert {name: int(getattr(signal, name)) for name in CONSTANTS} == CONSTANTS


@pytest.mark.parametrize("number", [number for number in signal.Signals if not number.name.startswith("SIGRT")])
def test_name(number: signal.Signals):
    """Each signal has one name, the one people use where there are two."""
    assert number.name == signals.name(number)


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (6, "SIGABRT"),
        (17, "SIGCHLD"),
        (29, "SIGIO"),
        (signal.SIGRTMIN, "SIGRTMIN"),
        (signal.SIGRTMIN + 3, "SIGRTMIN+3"),
        (signal.SIGRTMAX, "SIGRTMIN+30"),
        (0, "signal 0"),
        (99, "signal 99"),
    ],
)
def test_special_names(number: int, expected: str):
    """Aliases give way; real-time signals count from SIGRTMIN; what has no name keeps its number."""
    assert expected == signals.name(number)
