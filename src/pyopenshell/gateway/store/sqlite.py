"""All that is SQLite's own: the file, the settings of a connection, its transactions, and what its errors mean."""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from contextlib import contextmanager

from sqlalchemy import URL, create_engine, event

from pyopenshell.errors import StateError
from pyopenshell.state import open_folder, unusable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Engine

PATIENCE = 5.0
"""Seconds to wait for another process's transaction."""
_SETTINGS = (
    # FULL: a commit is on the disk before it is acknowledged (NORMAL in WAL mode may lose the last ones).
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    # What is removed is overwritten: credentials do not stay in the file's free pages.
    "PRAGMA secure_delete = ON",
)
_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_LOST = "nothing that was stored is lost"


def engine(path: str) -> Engine:
    """Return an engine for a database file of mode 0600 in a folder of ours, both made where missing.

    Raises StateError when they cannot be had.
    """
    _prepare(path)
    # hide_parameters: an error's text would otherwise show what was to be stored, credentials too.
    made = create_engine(URL.create("sqlite+pysqlite", database=path), hide_parameters=True)
    event.listen(made, "connect", _connected)
    event.listen(made, "begin", _begin)
    return made


def _prepare(path: str) -> None:
    folder, _, filename = path.rpartition("/")
    try:
        within = open_folder(folder)
        try:
            try:
                # SQLite gives the files it puts beside this one (-wal, -shm) the same mode.
                os.close(os.open(filename, _NEW, 0o600, dir_fd=within))
            except FileExistsError:
                # Not opened: closing it would end the locks of this process (sqlite.org/howtocorrupt.html, 2.2).
                status = os.stat(filename, dir_fd=within, follow_symlinks=False)
                if not stat.S_ISREG(status.st_mode):
                    raise StateError(f"the store {path} is no file", hint="move what is there elsewhere") from None
                if status.st_mode & 0o077:
                    os.chmod(filename, 0o600, dir_fd=within)
        finally:
            os.close(within)
    except OSError as error:
        raise unusable(path, error) from error


def _connected(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # Python's module would begin transactions by itself, and too late
    connection.execute(f"PRAGMA busy_timeout = {int(PATIENCE * 1000)}").close()
    _keep_a_log(connection)
    for setting in _SETTINGS:
        connection.execute(setting).close()


def _keep_a_log(connection: sqlite3.Connection) -> None:
    # For this one, SQLite itself does not wait for others who open a new file at the same time.
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").close()
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _begin(connection: Connection) -> None:
    # IMMEDIATE: who will write waits for its turn at the beginning. Later, SQLite could only refuse.
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def without_foreign_keys(connection: Connection) -> Iterator[None]:
    """Let tables be made anew, which is how SQLite alters them, without what refers to them going too.

    To be entered before the transaction (https://sqlite.org/lang_altertable.html, section 7).
    """
    raw = connection.connection.cursor()
    raw.execute("PRAGMA foreign_keys = OFF")
    try:
        yield
    finally:
        raw.execute("PRAGMA foreign_keys = ON")
        raw.close()


def broken_reference(connection: Connection) -> str | None:
    """Return a table with rows that refer to what is not there, or None."""
    found = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
    return None if found is None else str(found[0])


def check(connection: Connection, path: str) -> None:
    """Read the whole database. Raises StateError, or SQLAlchemy's error, when it is damaged."""
    found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
    if found != "ok":
        raise damaged(path)


def damaged(path: str) -> StateError:
    """Return the error for a file that does not hold what it should."""
    return StateError(
        f"the store {path} is damaged, or is no database",
        hint="keep the file, and put a copy in its place; `sqlite3 FILE .recover` gets out what can be read",
    )


def explained(error: BaseException, path: str) -> StateError:
    """Return what an error of sqlite3 means for the store. Its text holds no values."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return damaged(path)
    if code == sqlite3.SQLITE_FULL:
        return StateError(f"no room is left on the disk of the store {path}", hint=f"make room there; {_LOST}")
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StateError(
            f"another process has held the store {path} locked for {PATIENCE:.0f} seconds",
            hint="see which with lslocks(8): it may have been stopped",
        )
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN):
        return StateError(
            f"cannot write to the store {path}: {error}",
            hint=f"the file and its folder must be yours and writable, and have room left; {_LOST}",
        )
    return StateError(f"cannot use the store {path}: {error}", hint=f"see the kernel's log for its disk; {_LOST}")
