"""Frames between supervisor, stem and init, on real sockets."""

import socket
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyopenshell.launch import wire

NUMBERS = st.integers(-(1 << 31), (1 << 31) - 1)
KINDS = (
    wire.INIT_PID,
    wire.TERMINAL,
    wire.FAILURE,
    wire.RECEIPT,
    wire.GO,
    wire.EXEC_FAILED,
    wire.EXITED,
    wire.STOPPED,
    wire.SIGNAL,
)
STEADY = settings(deadline=None, derandomize=True, database=None)


@contextmanager
def ends():
    """Both ends of a control socket."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def test_kinds_are_told_apart():
    """Every kind is one byte of its own."""
    assert len(KINDS) == len({*KINDS})
    assert {1} == {len(kind) for kind in KINDS}


@STEADY
@given(st.lists(st.tuples(st.sampled_from(KINDS), st.binary(max_size=300)), min_size=1, max_size=5))
def test_frames_arrive_as_sent(frames):
    """Frames sent back to back come out one by one, payload and all; then the stream ends."""
    with ends() as (ours, theirs):
        for kind, payload in frames:
            wire.send(ours.fileno(), kind, payload)
        ours.shutdown(socket.SHUT_WR)
        assert frames == [wire.receive(theirs.fileno()) for _ in frames]
        assert wire.receive(theirs.fileno()) is None


@STEADY
@given(NUMBERS)
def test_numbers(number):
    """Signed 32-bit numbers: pids, signals, wait statuses, errnos."""
    with ends() as (ours, theirs):
        wire.send_number(ours.fileno(), wire.EXITED, number)
        kind, payload = wire.receive(theirs.fileno()) or (b"", b"")
    assert (wire.EXITED, 4, number) == (kind, len(payload), wire.number(payload))


@pytest.mark.parametrize("length", range(9))
def test_a_frame_without_its_end(length):
    """A sender that is killed in the middle of a frame has sent none, wherever it was."""
    with ends() as (ours, theirs):
        ours.send((wire.head(wire.STOPPED, 4) + b"\x13\0\0\0")[:length])
        ours.shutdown(socket.SHUT_WR)
        assert wire.receive(theirs.fileno()) is None


def test_a_length_nobody_sends():
    """A frame that claims more than the limit is refused before a byte of it is read."""
    with ends() as (ours, theirs):
        ours.send(wire.head(wire.RECEIPT, wire.MAX_PAYLOAD + 1))
        assert wire.receive(theirs.fileno()) is None


def test_nobody_listens():
    """Sending to an end that is closed is EPIPE, never a signal."""
    with ends() as (ours, theirs):
        theirs.close()
        with pytest.raises(BrokenPipeError):
            wire.send(ours.fileno(), wire.GO)
