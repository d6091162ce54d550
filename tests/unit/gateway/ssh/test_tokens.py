"""Tokens: which one opens which sandbox, and until when, whatever the clock does."""

import asyncio
import sqlite3

import pytest

from pyopenshell.errors import NoSuchSandbox, OpenShellError
from pyopenshell.gateway.ssh import tokens
from pyopenshell.gateway.ssh.tokens import Tokens, digest_of
from pyopenshell.gateway.store import AsyncStore, Store
from tests.unit.gateway.store.harness import revision, sandbox

HOUR = 3600


class Clocks:
    """A wall clock that can be set, and a clock that cannot."""

    def __init__(self):
        self.wall, self.steady = 1_800_000_000.0, 5_000.0

    def passes(self, seconds):
        """Let time pass, on both."""
        self.wall += seconds
        self.steady += seconds


@pytest.fixture
def clocks():
    """Clocks of the test's own."""
    return Clocks()


@pytest.fixture
def path(tmp_path):
    """Where the store is, with the sandboxes one and two."""
    path = str(tmp_path / "gateway" / "store.db")
    store = Store.open(path)
    for name in ("one", "two"):
        store.add_sandbox(sandbox(name, id=name), revision(name))
    store.close()
    return path


@pytest.fixture
def within(path, clocks):
    """Run a coroutine with a gateway's tokens; each call is a gateway of its own, on one store."""

    def run(work, **options):
        async def whole():
            store = await AsyncStore.open(path)
            try:
                own = Tokens(store, wall=lambda: clocks.wall, steady=lambda: clocks.steady, **options)
                return await work(own)
            finally:
                await store.close()

        return asyncio.run(whole())

    return run


async def says(own, text, sandbox_id="one"):
    """Return why a token does not open a sandbox; None where it does."""
    try:
        await own.check(text, sandbox_id)
    except OpenShellError as error:
        return error.message
    return None


def test_opens_one_sandbox(within):
    """A token opens its sandbox, as often as is wanted, and no other."""

    async def work(own):
        text, _ = await own.issue("one")
        return [await says(own, text), await says(own, text), await says(own, text, "two")]

    assert [None, None, "the token is not one of this sandbox"] == within(work)


def test_random_and_not_stored(within, path):
    """256 bits each time, of which the store has the SHA-256 alone."""

    async def work(own):
        return [(await own.issue("one"))[0] for _ in range(50)]

    made = within(work)
    assert 50 == len(set(made))
    assert {43} == {len(text) for text in made}  # base64 of 32 bytes
    with sqlite3.connect(path) as connection:
        stored = {row[0] for row in connection.execute("SELECT digest FROM tokens")}
    connection.close()
    assert stored == {digest_of(text) for text in made}


@pytest.mark.parametrize("text", ["x", "é", "\udc80", "a" * 100_000])
def test_others_texts(within, text):
    """What is no token opens nothing, whatever it is."""

    async def work(own):
        await own.issue("one")
        return await says(own, text)

    assert within(work) == "the token is not one of this sandbox"


def test_none_at_all(within):
    """No token is told from a wrong one: the client must show one."""

    async def work(own):
        with pytest.raises(OpenShellError) as caught:
            await own.check("", "one")
        return caught.value.code

    assert within(work) == "auth.missing"


def test_expires(within, clocks):
    """After an hour it opens nothing; the client was told when that is."""

    async def work(own):
        text, expires = await own.issue("one")
        assert expires == (1_800_000_000 + HOUR) * 1000
        clocks.passes(HOUR - 1)
        before = await says(own, text)
        clocks.passes(1)
        return before, await says(own, text)

    assert (None, "the token has expired") == within(work)


def test_clock_put_back(within, clocks):
    """A clock that is put back prolongs nothing, also not after other tokens were made since."""

    async def work(own):
        text, _ = await own.issue("one")
        clocks.wall -= 30 * HOUR
        clocks.passes(HOUR)
        first = await says(own, text)
        await own.issue("two")
        await own.issue("one")
        return first, await says(own, text)

    assert ("the token has expired",) * 2 == within(work)


def test_made_under_a_wrong_clock(within, clocks):
    """A token made while the clock was years ahead ends an hour later, not years."""

    async def work(own):
        clocks.wall += 1000 * HOUR
        text, _ = await own.issue("one")
        clocks.wall -= 1000 * HOUR
        good = await says(own, text)
        clocks.passes(HOUR)
        expired = await says(own, text)
        await own.issue("two")
        return good, expired, await says(own, text)

    assert (None, "the token has expired", "the token has expired") == within(work)


def test_clock_put_forward(within, clocks):
    """A clock that is put forward ends tokens at once."""

    async def work(own):
        text, _ = await own.issue("one")
        clocks.wall += 2 * HOUR
        return await says(own, text)

    assert within(work) == "the token has expired"


def test_after_a_restart(within, clocks):
    """The next gateway takes it for the rest of its time, by both clocks."""

    async def first(own):
        return (await own.issue("one"))[0]

    text = within(first)
    clocks.passes(HOUR / 2)

    async def second(own):
        good = await says(own, text)
        clocks.wall -= 100 * HOUR
        clocks.passes(HOUR / 2)
        return good, await says(own, text)

    assert (None, "the token has expired") == within(second)


def test_revoked(within):
    """A revoked token opens nothing more, also for the next gateway; to revoke it again says that it was gone."""

    async def first(own):
        text, _ = await own.issue("one")
        outcomes = [await own.revoke(text), await own.revoke(text), await own.revoke("another")]
        return text, outcomes, await says(own, text)

    text, outcomes, after = within(first)
    assert [True, False, False] == outcomes
    assert after == "the token was revoked"
    assert within(lambda own: says(own, text)) == "the token was revoked"


def test_goes_with_its_sandbox(within, path):
    """The tokens of a sandbox that was deleted open nothing, also not a new one of that name."""

    async def work(own):
        return (await own.issue("one"))[0]

    text = within(work)
    store = Store.open(path)
    store.remove_sandbox("one")
    store.add_sandbox(sandbox("one", id="three"), revision("three"))
    store.close()

    async def later(own):
        with pytest.raises(NoSuchSandbox):
            await own.issue("one")
        return await says(own, text, "one"), await says(own, text, "three")

    assert ("the token is not one of this sandbox",) * 2 == within(later)


def test_bounded(within, clocks, monkeypatch):
    """Of one sandbox so many are good at a time; revoked and expired ones make room, also after a restart."""
    monkeypatch.setattr(tokens, "MOST", 3)

    async def fill(own):
        made = [(await own.issue("one"))[0] for _ in range(3)]
        with pytest.raises(OpenShellError) as caught:
            await own.issue("one")
        await own.issue("two")
        await own.revoke(made[0])
        await own.issue("one")
        return caught.value.code

    assert within(fill) == "limit.ssh-sessions"

    async def full(own):
        with pytest.raises(OpenShellError):
            await own.issue("one")
        clocks.passes(HOUR)
        await own.issue("one")

    within(full)


def test_rate(within, clocks, monkeypatch):
    """More than a burst at once is refused, until time has passed."""
    monkeypatch.setattr(tokens, "BURST", 5.0)

    async def work(own):
        for _ in range(int(tokens.BURST)):
            text, _ = await own.issue("one")
            await own.revoke(text)
        with pytest.raises(OpenShellError) as caught:
            await own.issue("one")
        clocks.passes(1)
        await own.issue("one")
        return caught.value.code

    assert within(work) == "limit.ssh-sessions"


@pytest.mark.parametrize("lifetime", [0, -1, float("nan"), 25 * HOUR])
def test_lifetime_is_bounded(within, lifetime):
    """Nobody gets tokens for ever, nor none."""

    async def work(_own):
        pass

    with pytest.raises(ValueError, match="seconds"):
        within(work, lifetime=lifetime)
