"""Transactions on the store's database, and its errors as ours."""

from __future__ import annotations

from contextlib import contextmanager

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError

from pyopenshell.errors import UsageError
from pyopenshell.gateway.store import sqlite
from pyopenshell.gateway.store.errors import Conflict

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
    """Turn what the database or its driver raises into errors of ours.

    StateError when the store fails, Conflict when what is stored contradicts what is to be, UsageError for a text or
    a number that no database takes.
    """
    try:
        yield
    except IntegrityError as error:
        raise Conflict(
            "what is to be stored contradicts what is stored", hint="it was changed since it was read: read it again"
        ) from error
    except (DataError, OverflowError) as error:
        raise UsageError("a value is too large to be stored", hint="numbers have 64 bits, with their sign") from error
    except DBAPIError as error:
        raise sqlite.explained(error.orig or error, path) from error
    except UnicodeEncodeError as error:
        raise UsageError("a text is not valid Unicode", hint="it holds half of a surrogate pair") from error
    except ValueError as error:  # what is stored is no JSON, or no UTF-8
        raise sqlite.damaged(path) from error
