"""The schema's version: told without alembic, which takes 0.1 s to import, and brought up to date with it."""

from __future__ import annotations

import os

from sqlalchemy import inspect

from pyopenshell.errors import StateError
from pyopenshell.gateway.store import schema, sqlite

TYPE_CHECKING = False
if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import Connection, Engine

SCRIPTS = os.path.join(os.path.dirname(__file__), "migrations")
"""Where the migrations are."""


def bring_up_to_date(engine: Engine, path: str) -> None:
    """Make the tables of a new database; migrate those of an older one, in one transaction.

    Raises StateError when a newer version of this package wrote it, or something else did; SQLAlchemy's errors.
    """
    with engine.begin() as connection:
        sqlite.check(connection, path)
        if _version(connection, path) == schema.HEAD:
            return
    with engine.connect() as connection, sqlite.without_foreign_keys(connection):
        writer = connection.execution_options(writes=True)
        with writer.begin():
            # The version again, for another process may have been quicker: then there is nothing left to do.
            _migrate(connection, _version(connection, path), path)


def _version(connection: Connection, path: str) -> str | None:
    tables = inspect(connection).get_table_names()
    if schema.VERSION_TABLE not in tables:
        if tables:
            raise StateError(
                f"{path} is a database, but not a store of sandboxes", hint="move it away, or choose another folder"
            )
        return None
    found = connection.exec_driver_sql(f"SELECT version_num FROM {schema.VERSION_TABLE}").scalars().all()  # noqa: S608
    return found[0] if found else None


def _migrate(connection: Connection, version: str | None, path: str) -> None:
    from alembic import command
    from alembic.script import ScriptDirectory

    config = configuration()
    known = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    if version is not None and version not in known:
        raise StateError(
            f"the store {path} was written by a newer version of pyopenshell "
            f"(schema {version}; this one knows {schema.HEAD})",
            hint="use that version; going back would lose what only it knows",
        )
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    broken = sqlite.broken_reference(connection)
    if broken is not None:
        raise StateError(
            f"the store {path} cannot be brought up to date: rows of {broken} refer to what is not there",
            hint="it is as it was; go on with the version that wrote it, and report this",
        )


def configuration() -> Config:
    """Return alembic's configuration for the migrations of this package."""
    from alembic.config import Config

    config = Config(attributes={})
    config.set_main_option("script_location", SCRIPTS.replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
