"""The store as a whole."""

from __future__ import annotations

from pyopenshell.gateway.store import sqlite, upgrade
from pyopenshell.gateway.store.database import failures
from pyopenshell.gateway.store.providers import Profiles, Providers, Workspaces
from pyopenshell.gateway.store.revisions import Revisions
from pyopenshell.gateway.store.sandboxes import Sandboxes, Tokens

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self


class Store(Sandboxes, Revisions, Tokens, Workspaces, Providers, Profiles):
    """What is to be, on the disk: every method is one transaction, on the disk when it returns, or had no effect.

    Every method raises StateError when the disk is full or fails, when the file is damaged, and when another
    process holds it locked. One process is to write: who keeps a copy of what is stored is told of no change by
    others. Methods may be called from any thread, and take turns.
    """

    @classmethod
    def open(cls, path: str) -> Self:
        """Open the store in a file (absolute path), made where missing; an older one is brought up to date.

        The folder is ours alone (mode 0700), the file has mode 0600: nothing else protects the credentials in it.

        Raises StateError when they cannot be used, when the file is damaged, or when a newer version wrote it.
        """
        engine = sqlite.engine(path)
        try:
            with failures(path):
                upgrade.bring_up_to_date(engine, path)
            store = cls(engine, path)
            store._ensure_default()
        except BaseException:
            engine.dispose()
            raise
        return store
