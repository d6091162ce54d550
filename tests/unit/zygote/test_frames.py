"""Frames between our processes: whole or not at all, with their descriptors, and never waited for."""

import errno
import os
import resource
import socket
from typing import Any

import pytest

from pyopenshell.launch import frames, wire


@pytest.fixture
def ends():
    """Both ends of a stream."""
    pair = socket.socketpair()
    yield pair
    for end in pair:
        end.close()


def pipes(count):
    """So many descriptors, each readable with a number of its own."""
    found = []
    for number in range(count):
        read, write = os.pipe()
        os.write(write, bytes([number]))
        os.close(write)
        found.append(read)
    return found


def numbers(descriptors):
    """What is behind descriptors, which are closed."""
    found = [os.read(fd, 9) for fd in descriptors]
    for fd in descriptors:
        os.close(fd)
    return found


def drained(outbox, reader):
    """All frames that come while an outbox sends what waits."""
    taken: list[Any] = []
    while outbox.waits:
        taken += reader.take()
        outbox.flush()
    return taken + reader.take()


def test_a_frame_comes_back_as_it_was_sent(ends):
    """Kind, value and descriptors; without a value there is no payload. Descriptors are not inherited."""
    ours, theirs = ends
    sent = pipes(2)
    frames.send(ours, b"K", {"a": (1, b"\0")}, sent)
    frames.send(ours, b"Z")
    first, second = frames.Reader(theirs).take()
    assert (b"K", b"Z", b"", []) == (first[0], *second)
    assert not any(os.get_inheritable(fd) for fd in first[2])
    assert [b"\0", b"\1"] == numbers(first[2])
    numbers(sent)


def test_half_a_frame_is_waited_for(ends):
    """Byte by byte: nothing is returned before the last, and that ends exactly one."""
    ours, theirs = ends
    reader = frames.Reader(theirs)
    data = wire.head(b"A", 3) + b"xyz"
    for byte in data[:-1]:
        ours.send(bytes([byte]))
        assert [] == reader.take()
    ours.send(data[-1:])
    assert [(b"A", b"xyz", [])] == reader.take()
    assert not reader.ended


def test_many_frames_in_one_read_keep_their_descriptors(ends):
    """Each has those it was sent with, in order, also where frames without any come between."""
    ours, theirs = ends
    sent = pipes(6)
    for kind, own in ((b"A", sent[:1]), (b"B", []), (b"C", sent[1:5]), (b"D", sent[5:])):
        frames.send(ours, kind, None, own)
    taken = frames.Reader(theirs).take()
    assert [b"A", b"B", b"C", b"D"] == [kind for kind, _, _ in taken]
    assert [[b"\0"], [], [b"\1", b"\2", b"\3", b"\4"], [b"\5"]] == [numbers(own) for _, _, own in taken]
    numbers(sent)


def test_descriptors_of_half_a_frame_wait_for_the_rest(ends):
    """They come with the first byte, and are taken with the last."""
    ours, theirs = ends
    sent = pipes(1)
    data = wire.head(b"A", 4, 1) + b"wxyz"
    reader = frames.Reader(theirs)
    ours.sendmsg([data[:3]], wire.rights(sent))
    assert [] == reader.take()
    ours.send(data[3:])
    ((kind, payload, own),) = reader.take()
    assert (b"A", b"wxyz", [b"\0"]) == (kind, payload, numbers(own))
    numbers(sent)


def test_the_end_is_told_after_what_came_before(ends):
    """Also where the other side was reset: it closed with something unread."""
    ours, theirs = ends
    theirs.send(b"unread")
    frames.send(ours, b"A")
    ours.close()
    reader = frames.Reader(theirs)
    assert [b"A"] == [kind for kind, _, _ in reader.take()]
    assert reader.ended
    assert [] == reader.take()


def test_too_large_is_the_end(ends):
    """A length that no frame of ours has: the other side is not who we think, and is not heard any more."""
    ours, theirs = ends
    ours.send(wire.head(b"A", wire.MAX_PAYLOAD + 1) + b"x")
    frames.send(ours, b"B")
    reader = frames.Reader(theirs)
    assert [] == reader.take()
    assert reader.ended


def test_who_never_stops_is_heard_piece_by_piece(ends):
    """Nobody who shares the reader's thread waits for ever; nothing is lost."""
    ours, theirs = ends
    reader = frames.Reader(theirs)
    sent = pipes(5)
    for fd in sent:  # what carries a descriptor is a piece of its own
        frames.send(ours, b"A", None, [fd])
    counts = [len(reader.take(2)) for _ in range(4)]
    assert [2, 2, 1, 0] == counts
    numbers(sent)


def test_no_room_for_descriptors(ends):
    """A frame that lost some has none, others keep theirs, and nothing stays open of what came."""
    ours, theirs = ends
    sent = pipes(3)
    reader = frames.Reader(theirs)
    before = len(os.listdir("/proc/self/fd"))
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    spare = os.dup(sent[0])  # the next number that would be given
    os.close(spare)
    frames.send(ours, b"A", None, sent[:2])
    frames.send(ours, b"B", None, [])
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (spare + 1, limits[1]))
        taken = reader.take()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert before == len(os.listdir("/proc/self/fd"))
    frames.send(ours, b"C", None, sent[2:])
    taken += reader.take()
    assert [(b"A", []), (b"B", [])] == [(kind, own) for kind, _, own in taken[:2]]
    assert [b"\2"] == numbers(taken[2][2])
    numbers(sent)


def test_what_nobody_took_is_closed(ends):
    """Descriptors whose frame never became whole."""
    ours, theirs = ends
    sent = pipes(1)
    before = len(os.listdir("/proc/self/fd"))
    reader = frames.Reader(theirs)
    ours.sendmsg([wire.head(b"A", 4, 1)], wire.rights(sent))
    reader.take()
    assert before + 1 == len(os.listdir("/proc/self/fd"))
    reader.close()
    assert before == len(os.listdir("/proc/self/fd"))
    numbers(sent)


def test_an_outbox_never_waits_and_loses_nothing(ends):
    """More than the socket holds: the rest goes when there is room, in order, with the descriptors of each frame."""
    ours, theirs = ends
    outbox, reader = frames.Outbox(ours), frames.Reader(theirs)
    sent = pipes(8)
    payloads = [os.urandom(90_000) for _ in sent]
    for payload, fd in zip(payloads, sent, strict=True):
        outbox.send(b"P", payload, [fd])
    assert outbox.waits
    taken = drained(outbox, reader)
    assert payloads == [payload for _, payload, _ in taken]
    assert [bytes([number]) for number in range(8)] == [numbers(own)[0] for _, _, own in taken]
    numbers(sent)


def test_an_outbox_keeps_copies_of_descriptors(ends):
    """The caller may close its own at once; of what was sent, and of what is forgotten, no copy is left."""
    ours, theirs = ends
    before = len(os.listdir("/proc/self/fd"))
    outbox = frames.Outbox(ours)
    outbox.send(b"F", bytes(1 << 20))
    (fd,) = pipes(1)
    outbox.send(b"D", b"", [fd])
    os.close(fd)
    reader = frames.Reader(theirs)
    own = [one for _, _, descriptors in drained(outbox, reader) for one in descriptors]
    assert [b"\0"] == numbers(own)
    assert before == len(os.listdir("/proc/self/fd"))
    outbox.send(b"F", bytes(1 << 20))
    (fd,) = pipes(1)
    outbox.send(b"D", b"", [fd])
    os.close(fd)
    outbox.close()
    assert not outbox.waits
    assert before == len(os.listdir("/proc/self/fd"))


def test_to_nobody_is_lost_without_a_word(ends):
    """The reader tells that the other side is gone; and a closed socket of ours is no defect."""
    ours, theirs = ends
    theirs.close()
    outbox = frames.Outbox(ours)
    outbox.send(b"A", bytes(100))
    ours.close()
    outbox.send(b"A", bytes(100))
    assert not outbox.waits


def test_sending_to_nobody_is_an_error_for_who_waits(ends):
    """``send`` raises EPIPE, and no signal comes."""
    ours, theirs = ends
    theirs.close()
    with pytest.raises(OSError) as broken:  # noqa: PT011 - its errno is looked at
        frames.send(ours, b"A", 1)
    assert errno.EPIPE == broken.value.errno
