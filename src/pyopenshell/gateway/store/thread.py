"""The store for an event loop: all calls happen one after another in a thread of their own."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from pyopenshell.errors import StateError
from pyopenshell.gateway.store.store import Store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Concatenate, ParamSpec, Self, TypeVar

    P = ParamSpec("P")
    R = TypeVar("R")


class AsyncStore:
    """A store whose disk the event loop never waits for."""

    def __init__(self, store: Store, thread: ThreadPoolExecutor) -> None:
        """Take a store and the one thread that uses it."""
        self._store = store
        self._thread = thread
        self._closing: asyncio.Future[None] | None = None

    @classmethod
    async def open(cls, path: str) -> Self:
        """Open a store, as ``Store.open`` does."""
        thread = ThreadPoolExecutor(1, "store")
        try:
            store = await asyncio.get_running_loop().run_in_executor(thread, Store.open, path)
        except BaseException:
            thread.shutdown(wait=False)
            raise
        return cls(store, thread)

    async def call(self, method: Callable[Concatenate[Store, P], R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Return what a method returns: ``await store.call(Store.sandbox, id)``. Raises what it raises.

        Calls happen in the order in which they are made. A task that is cancelled while it waits ends at once;
        its call then happens whole or not at all.
        """
        if self._closing is not None:
            raise StateError("the store is closed", hint="the gateway is ending")
        work = partial(method, self._store, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def close(self) -> None:
        """Close the store after all calls that were made before. It can be closed again."""
        if self._closing is None:
            self._closing = asyncio.get_running_loop().run_in_executor(self._thread, self._store.close)
            self._thread.shutdown(wait=False)
        await asyncio.shield(self._closing)
