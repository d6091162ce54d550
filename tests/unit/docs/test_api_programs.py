"""The programs of examples/api do what they say, as root and as an ordinary user."""

from __future__ import annotations

import json

import pytest

from pyopenshell.testing import require
from tests.confined.landlock.harness import needs_landlock
from tests.unit.docs import api_places

pytestmark = [needs_landlock, pytest.mark.parametrize("who", api_places.WHO)]
FOLDER = api_places.ROOT / "examples" / "api"
SECONDS = 60
"""How long a program may take."""


def lines(who, name, *arguments, code=0):
    """Run a program; return the lines that it prints."""
    with api_places.place(who) as place:
        done = place.python(FOLDER / name, *arguments, timeout=SECONDS)
    assert code == done.returncode, done.stderr
    return done.stdout.splitlines(), done.stderr.splitlines()


def test_an_agents_tools(who):
    """What a tool prints, what it may not, what takes too long and what there is not: each is an observation."""
    told, _ = lines(who, "agent_tools.py")
    found = [(one["outcome"], one["output"].strip()) for one in map(json.loads, told)]
    denied = ("failed with exit code 1", "cat: /etc/shadow: Permission denied")
    assert [("done", "45"), ("done", "7"), denied, ("took too long", ""), ("no such tool", "")] == found


def test_a_training_launcher(who):
    """The log comes through, the exit code is the job's, and the addition for CUDA is named first."""
    told, _ = lines(who, "train.py", "--gpus", "0", "--", "/bin/sh", "-c", "echo epoch 1; exit 3", code=3)
    assert ["epoch 1"] == told[1:]
    assert told[0].startswith("added by the runtime: write_file on /proc")


def test_a_training_that_takes_too_long(who):
    """It is stopped, with the exit code of timeout(1), and what it wrote is there."""
    job = ("/bin/sh", "-c", "echo epoch 1; exec sleep 60")
    told, errors = lines(who, "train.py", "--gpus", "0", "--hours", "0.0003", "--", *job, code=124)
    assert ["epoch 1"] == told[1:]
    assert errors[-1].startswith("stopped after 0.0003 hours; the record is /")


def test_a_training_without_enough_gpus(who):
    """The reason is said, with a hint, and no traceback."""
    told, errors = lines(who, "train.py", "--gpus", "1000", "--", "true", code=125)
    assert ([], "no GPU for this job:") == (told, errors[0])
    assert errors[-1].startswith("hint: ")


def test_a_review(who):
    """A wrong policy's mistakes come all at once; what a good one comes to is answered path by path."""
    told, _ = lines(who, "review.py")
    assert ["expected an absolute path" in told[0], "'..' is not allowed" in told[1]] == [True, True]
    verdicts = ["may read /usr/bin/env: ", "may not write /etc/shadow: no grant", "may write result.json: workdir"]
    assert [True] * 3 == [line.startswith(verdict) for line, verdict in zip(told[2:5], verdicts, strict=True)]
    assert told[5].endswith(" grants, 0 added by the runtime")


def test_candidates_in_parallel(who):
    """Each is judged by itself, and what it may not do is its failure."""
    told, _ = lines(who, "parallel.py")
    assert ["right   2/2  ", "wrong   0/2  printed 12", "raises  0/2  no idea"] == told[:3]
    assert told[3].startswith("peeks   0/2  PermissionError: ")
    assert "loops   0/2  longer than 5 s" == told[4]


def test_a_stream(who):
    """It is followed line by line, and left at the first failure."""
    assert [*[f"test_{number} ok" for number in range(3)], "test_3 FAILED"] == lines(who, "stream.py", code=1)[0]


def test_a_terminal(who):
    """The program inside sees a terminal of the size it was given, and its exit code comes back."""
    require(namespaces=True)
    assert ["stty size: 24 80", "stty size: 50 132"] == lines(who, "terminal.py", code=7)[0]
