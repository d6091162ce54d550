"""The broker's reports: packed, unpacked, and taken without waiting."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyopenshell.launch import reports
from pyopenshell.launch.brokering import Reporter
from pyopenshell.launch.reports import Counts, Serving, Use

NUMBER = st.integers(-(2**31), 2**31 - 1)
COUNT = st.integers(0, 2**64 - 1)
REPORT = st.one_of(
    st.builds(Serving, st.booleans(), st.booleans()),
    st.builds(Use, st.sampled_from(reports.KINDS), NUMBER, NUMBER, st.binary(max_size=reports.MAX_PATH)),
    st.builds(Counts, st.fixed_dictionaries(dict.fromkeys(reports.KINDS, COUNT)), COUNT),
)


@given(REPORT)
def test_a_report_survives_its_message(report):
    """It comes out as it went in, and fits."""
    message = reports.pack(report)
    assert report == reports.unpack(message)
    assert len(message) <= reports.SIZE


@given(st.binary(max_size=reports.SIZE))
def test_other_messages_are_refused(message):
    """Bytes are a report, or ValueError: nothing else goes wrong."""
    try:
        found = reports.unpack(message)
    except ValueError:
        return
    assert message == reports.pack(found) or isinstance(found, Serving)


@pytest.fixture
def inbox():
    """The supervisor's end."""
    box = reports.Inbox()
    yield box
    box.sender.close()
    box.close()


@pytest.fixture
def reporter(inbox):
    """The broker's end."""
    own = Reporter(inbox.sender.detach())
    yield own
    own.close()


def test_an_inbox_keeps_what_is_not_a_use(inbox, reporter):
    """Uses are handed on in order; what the broker is and what it counted is kept."""
    counts = Counts(dict.fromkeys(reports.KINDS, 1), 0)
    reporter.send(Serving(True, False))
    reporter.use("granted", 7, 2, b"/proc/self/comm")
    reporter.use("flags", 8, 3, b"")
    reporter.send(counts)
    assert [Use("granted", 7, 2, b"/proc/self/comm"), Use("flags", 8, 3, b"")] == inbox.take()
    assert (Serving(True, False), counts) == (inbox.serving, inbox.counts)


def test_nothing_to_take_is_no_wait(inbox):
    """An empty inbox is empty."""
    assert [] == inbox.take()


def test_the_end_of_the_broker_ends_the_inbox(inbox, reporter):
    """Then nothing more comes, and poll(2) must leave it alone."""
    reporter.close()
    assert [] == inbox.take()
    assert inbox.ended


def test_a_supervisor_that_does_not_read_stops_nobody(inbox, reporter):
    """What does not fit, or is too much for one sandbox, is only counted."""
    for pid in range(reports.MOST + 10):
        reporter.use("granted", pid, pid, b"/proc/self/comm")
    told = inbox.take()
    assert reports.MOST + 10 == len(told) + reporter.untold
    assert list(range(len(told))) == [use.pid for use in told]
    assert reporter.untold >= 10
