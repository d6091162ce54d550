"""Transactions on the store's database, and its errors as ours."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError

from pyopenshell.errors import UsageError
from pyopenshell.gateway.store import sqlite

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Engine


class Database:
    """What all parts of the store are built on. Each method of theirs is one transaction, or none at all."""

    def __init__(self, engine: Engine, path: str) -> None:
        """Take a database whose tables are as they should be."""
        self.path = path
        self._engine = engine
        self._writer = engine.execution_options(writes=True)

    def close(self) -> None:
        """Close the database. It can be closed again."""
        self._engine.dispose()

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with failures(self.path), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with failures(self.path), self._writer.begin() as connection:
            yield connection


@contextmanager
def failures(path: str) -> Iterator[None]:
    """Turn what the database or its driver raises into StateError; text that cannot be stored into UsageError."""
    try:
        yield
    except DBAPIError as error:
        raise sqlite.explained(error.orig or error, path) from error
    except sqlite3.Error as error:  # while connecting
        raise sqlite.explained(error, path) from error
    except UnicodeEncodeError as error:
        raise UsageError(
            "a text is not valid Unicode and cannot be stored", hint="it holds half of a surrogate pair"
        ) from error
    except ValueError as error:  # what is stored is no JSON, or no UTF-8
        raise sqlite.damaged(path) from error
