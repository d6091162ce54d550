"""Events of the sandboxes of a block: all of them, in order, those of no others, and after the block too."""

import pytest

from pyopenshell import PolicyRefused, Sandbox
from pyopenshell.testing import capture_events, isolated_state
from tests.confined.landlock.harness import needs_landlock

pytestmark = needs_landlock


def test_all_of_a_block_and_nothing_else(workdir):
    """Two sandboxes of the block are in it, one before it is not; they are whole, and stay."""
    with isolated_state(), Sandbox(name="before", workdir=workdir):
        with capture_events() as events:
            assert (0, ()) == (len(events), events.codes)
            for name in ("first", "second"):
                with Sandbox(name=name, workdir=workdir) as box:
                    box.run(["/bin/true"])
                    assert "process.launch" in [event["metadata"]["event_code"] for event in events.of(sandbox=name)]
        for name in ("first", "second"):
            assert ["sandbox.start"] == [
                one["metadata"]["event_code"] for one in events.of("sandbox.start", sandbox=name)
            ]
            assert events.of("sandbox.stop", sandbox=name)
        assert not events.of(sandbox="before")
    assert len(events) == len(events.codes) == len(list(events))
    times = [event["time"] for event in events]
    assert sorted(times) == times
    assert events[0:2] == tuple(events)[:2]


def test_a_class_of_events(workdir):
    """They are selected by OCSF class."""
    with capture_events() as events, Sandbox(workdir=workdir) as box:
        box.run(["/bin/true"])
    assert {1007} == {event["class_uid"] for event in events.of(class_uid=1007)}
    assert [] == events.of("process.launch", class_uid=5019)


def test_what_failed_is_no_obstacle(workdir):
    """A launch that was refused leaves no events, or its own; the rest are there."""
    with capture_events() as events:
        with pytest.raises(PolicyRefused), Sandbox(workdir="/"):
            pass
        with Sandbox(workdir=workdir):
            pass
    assert "sandbox.stop" in events.codes
    assert "Events" in repr(events)
