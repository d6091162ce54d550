"""The link between an SSH server and its client's stream: bounded, in order, and flushed at its end."""

import asyncio

import pytest

from pyopenshell.gateway.ssh import link
from pyopenshell.gateway.ssh.link import FRAME, FULL, Link


def test_frames():
    """Small writes are joined, large ones divided; nothing is lost and the order stays."""
    own = Link()
    written = [bytes([number % 251]) * size for number, size in enumerate((1, 10, FRAME - 3, 5 * FRAME + 7, 2, 0, 3))]

    async def work():
        for data in written:
            own.write(data)
        own.close()
        own.write(b"too late")
        return [frame async for frame in own.frames()]

    frames = asyncio.run(work())
    assert b"".join(written) == b"".join(frames)
    assert max(map(len, frames)) <= FRAME
    assert len(frames) <= 8


def test_makers_wait_for_a_slow_client():
    """Who asks for room waits while the client takes nothing, and goes on when it does."""

    async def work():
        own = Link()
        own.write(b"x" * FULL)
        waiting = asyncio.create_task(own.room())
        frames = own.frames()
        await anext(frames)
        await asyncio.sleep(0)
        assert not waiting.done()  # the first frame is on its way, not taken
        await anext(frames)
        await asyncio.wait_for(waiting, 5)
        assert own.get_write_buffer_size() == FULL - FRAME

    asyncio.run(work())


def test_nobody_waits_for_a_closed_link():
    """Makers learn that it is closed, also those that wait already."""

    async def work():
        own = Link()
        own.write(b"x" * FULL)
        waiting = asyncio.create_task(own.room())
        await asyncio.sleep(0)
        own.abort()
        with pytest.raises(BrokenPipeError):
            await asyncio.wait_for(waiting, 5)
        with pytest.raises(BrokenPipeError):
            await own.room()

    asyncio.run(work())


def test_bounds_fit():
    """A client whose requests fill the link is heard again before it is full for makers."""
    assert FRAME < FULL < link.OVERFULL
