"""Paths as texts: which lie where."""

import pytest

from pyopenshell.effective.paths import is_own_proc


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/proc/self", True),
        ("/proc/self/fd", True),
        ("/proc/thread-self/comm", True),
        ("/proc/selfish", False),
        ("/proc", False),
        ("/proc/1", False),
    ],
)
def test_own_proc(path, expected):
    """Only what goes through the magic links of procfs is resolved by the process itself."""
    assert expected == is_own_proc(path)
