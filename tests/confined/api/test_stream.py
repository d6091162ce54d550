"""``Sandbox.stream``: output as it comes, and that a stream that is left kills its command."""

import pytest

from pyopenshell import Chunk, CommandError, CommandFailed, CommandTimeout
from tests.confined.api.conftest import descriptors
from tests.confined.api.test_run import is_alive, seen_from_here, sh


def test_chunks_come_while_it_runs(box):
    """The first is there before the command can have ended: it waits to be told."""
    with box.stream(sh("echo ready; read word; echo got $word >&2"), input=None) as stream:
        assert Chunk("stdout", b"ready\n", "ready\n") == next(stream)
        assert Chunk("stderr", b"got\n", "got\n") == next(stream)
        with pytest.raises(StopIteration):
            next(stream)
    assert 0 == stream.result.exit


def test_texts_are_whole_characters(box):
    """One that comes in two pieces is in the second; one that never is completed is replaced, at the end."""
    script = "printf 'h\\303'; sleep 0.2; printf '\\244s\\303'"
    texts = [chunk.text for chunk in box.stream(sh(script))]
    assert ["h", "äs", "\N{REPLACEMENT CHARACTER}"] == texts


def test_a_stream_that_is_closed_kills_its_command(box, marker):
    """Before the last chunk, with all that it started; its result is never known."""
    stream = box.stream(sh(f"echo begun; sleep {marker}"))
    next(stream)
    stream.close()
    stream.close()
    assert not seen_from_here(marker)
    assert [] == list(stream)
    with pytest.raises(ValueError, match="last chunk"):
        stream.result  # noqa: B018 - asking is what raises


def test_leaving_a_loop_kills_its_command(box):
    """The stream is forgotten then; a finalizer does not wait, so the next command may still see it."""
    for _chunk in box.stream(sh("echo begun; sleep 1000.75")):
        break
    for _ in range(200):
        if not is_alive(box, "1000.75"):
            return
    raise AssertionError("it is still there")


def test_errors_are_those_of_run(box):
    """Not found, too long, and a failure that was to be checked, when the last chunk was taken."""
    with pytest.raises(CommandError):
        list(box.stream(["no-such-program"]))
    taken = []
    with pytest.raises(CommandTimeout):
        taken.extend(box.stream(sh("echo begun; sleep 1000"), timeout=0.3))
    with pytest.raises(CommandFailed) as failed:
        list(box.stream(sh("exit 7"), check=True))
    assert 7 == failed.value.result.exit


def test_nothing_is_left_open(box):
    """Neither by streams that end, nor by those that are closed or forgotten."""
    list(box.stream(["/bin/true"]))
    before = descriptors()
    for _ in range(3):
        list(box.stream(sh("echo one; echo two")))
        next(box.stream(sh("echo one; sleep 1000")))
        with box.stream(sh("echo one; sleep 1000")) as stream:
            next(stream)
    assert before == descriptors()
