"""docs/support.md is what its sources say, and every row that it points to was measured."""

import json
import re

import pytest

from tests.kernels import support
from tests.kernels.image import CHECKOUT
from tests.kernels.results import from_json

KNOWN = json.loads((CHECKOUT / support.DISTRIBUTIONS).read_text())["distributions"]


def test_the_page():
    """It was made from the evidence beside it: `make support` writes both."""
    assert support.page(CHECKOUT) == (CHECKOUT / support.PAGE).read_text()


def test_all_was_good():
    """What is committed is a run without failures, of all the kernels and their runs."""
    booted = from_json((CHECKOUT / support.KERNELS).read_text())
    assert [] == [kernel.name for kernel in booted if not kernel.is_good]
    assert {"5.10", "6.1", "6.12", "7.3", "7.3, Landlock off"} <= {kernel.name for kernel in booted}


@pytest.mark.parametrize("entry", KNOWN, ids=lambda entry: entry["name"])
def test_rows_that_distributions_point_to(entry):
    """A kernel, an ABI that one was masked to, or Ubuntu's user namespaces: each was measured."""
    booted = from_json((CHECKOUT / support.KERNELS).read_text())
    runs = [(kernel.name, outcome) for kernel in booted for outcome in kernel.outcomes if outcome.place]
    rows = {name for name, _ in runs} | {f"masked ABI {run.masked}" for _, run in runs if run.masked is not None}
    rows |= {f"{name} as on Ubuntu 24.04" for name, run in runs if run.profile}
    named = re.split(r"; user: | or ", entry["measured_as"]) if entry["measured_as"] else []
    assert set(named) <= rows


@pytest.mark.parametrize(
    ("mechanism", "expected"),
    [
        ("network namespace", "namespace"),
        ("mount namespace: empty /run, private /tmp and /dev/shm", "mounts"),
        ("seccomp filter: only AF_UNIX sockets", "filter"),
        ("landlock resolve_unix", "Landlock"),
        ("this ABI denies every rename and link between folders", "always"),
        ("none", support.OPEN),
    ],
)
def test_short_words(mechanism, expected):
    """A word for each mechanism there is."""
    assert expected == support.mechanism(mechanism)
