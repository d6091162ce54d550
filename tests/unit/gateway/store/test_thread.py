"""The store for an event loop: a thread of its own, calls in their order, and an end after the last."""

import asyncio
import threading

import pytest

from pyopenshell.errors import NoSuchSandbox, StateError
from pyopenshell.gateway.store import AsyncStore, Store
from tests.unit.gateway.store.harness import revision, sandbox


def with_store(path, use):
    """Run a coroutine with a store that is closed after it; return what it returns."""

    async def run():
        store = await AsyncStore.open(path)
        try:
            return await use(store)
        finally:
            await store.close()

    return asyncio.run(run())


def test_calls(path):
    """They return and raise what the store's methods do."""

    async def use(store):
        await store.call(Store.add_sandbox, sandbox(), revision())
        with pytest.raises(NoSuchSandbox):
            await store.call(Store.sandbox, "no")
        return await store.call(Store.update_sandbox, "one", expected=1, phase="READY")

    assert sandbox(phase="READY", resource_version=2) == with_store(path, use)


def test_the_loop_does_not_wait(path):
    """While the store waits for its disk, the loop goes on: here it is the loop that ends the waiting."""
    gate = threading.Event()

    async def use(store):
        waiting = asyncio.ensure_future(store.call(lambda _: gate.wait(10)))
        await asyncio.sleep(0)
        gate.set()
        return await waiting

    assert with_store(path, use)


def test_one_thread_in_order(path):
    """All calls happen in one thread that is not the loop's, in the order in which they were made."""

    async def use(store):
        return await asyncio.gather(*(store.call(lambda _, n=n: (n, threading.get_ident())) for n in range(50)))

    told = with_store(path, use)
    assert list(range(50)) == [number for number, _ in told]
    assert (1, False) == (len({ident for _, ident in told}), threading.get_ident() in {ident for _, ident in told})


def test_closing_waits_for_what_was_asked(path, monkeypatch):
    """Calls that nobody has waited for yet are stored; later ones are refused; it can be closed twice."""
    close, threads = Store.close, set()

    def closed(store):
        threads.add(threading.get_ident())
        close(store)

    def add(store, id_):
        threads.add(threading.get_ident())
        store.add_sandbox(sandbox(id_), revision(id_))

    monkeypatch.setattr(Store, "close", closed)

    async def run():
        store = await AsyncStore.open(path)
        calls = [asyncio.ensure_future(store.call(add, f"s{number}")) for number in range(20)]
        await asyncio.sleep(0)
        await asyncio.gather(store.close(), store.close())
        with pytest.raises(StateError, match="closed"):
            await store.call(Store.sandboxes)
        await asyncio.gather(*calls)

    asyncio.run(run())
    assert 1 == len(threads)
    store = Store.open(path)
    assert 20 == len(store.sandboxes())
    close(store)


def test_a_task_that_is_cancelled(path):
    """It ends at once. A call that has begun is stored all the same; one that has not is not made."""
    begun, gate = threading.Event(), threading.Event()

    def slowly(store):
        begun.set()
        gate.wait(10)
        store.add_sandbox(sandbox(), revision())

    async def use(store):
        first = asyncio.ensure_future(store.call(slowly))
        second = asyncio.ensure_future(store.call(Store.add_sandbox, sandbox("two"), revision("two")))
        await asyncio.to_thread(begun.wait, 10)
        first.cancel()
        second.cancel()
        ended = await asyncio.gather(first, second, return_exceptions=True)
        gate.set()
        return [type(error) for error in ended], [one.id for one in await store.call(Store.sandboxes)]

    assert ([asyncio.CancelledError] * 2, ["one"]) == with_store(path, use)


def test_a_store_that_cannot_be_opened(tmp_path):
    """The error is the store's, and no thread is left."""
    (tmp_path / "file").write_text("")
    before = set(threading.enumerate())
    with pytest.raises(StateError):
        asyncio.run(AsyncStore.open(f"{tmp_path}/file/store.db"))
    ours = [thread for thread in threading.enumerate() if thread.name.startswith("store") and thread not in before]
    for thread in ours:
        thread.join(10)
    assert not any(thread.is_alive() for thread in ours)
