"""The tables: made and changed by migrations alone, the same as the models, for PostgreSQL too."""

import io
import shutil
import sqlite3
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable

from pyopenshell.errors import StateError
from pyopenshell.gateway.store import Store, schema, upgrade
from tests.unit.gateway.store.harness import revision, sandbox, start

NEXT = """
import sqlalchemy as sa
from alembic import op
revision, down_revision = "0002", "0001"

def upgrade():
    with op.batch_alter_table("sandboxes", recreate="always") as table:
        table.add_column(sa.Column("mood", sa.Text, nullable=False, server_default="good"))
"""
"""A migration of the future. It makes a table anew to which others refer."""


def ask(path, question):
    """What SQLite itself says."""
    connection = sqlite3.connect(path)
    try:
        return connection.execute(question).fetchall()
    finally:
        connection.close()


@pytest.fixture
def future(tmp_path, monkeypatch):
    """Make this package the next version of itself, with a migration more."""

    def come(migration):
        shutil.copytree(upgrade.SCRIPTS, tmp_path / "migrations")
        (tmp_path / "migrations" / "versions" / "v0002.py").write_text(migration)
        monkeypatch.setattr(upgrade, "SCRIPTS", str(tmp_path / "migrations"))
        monkeypatch.setattr(schema, "HEAD", "0002")

    return come


def test_the_newest_migration_is_the_one_that_is_asked_for():
    """A migration without the number in ``schema`` would never be run."""
    assert [schema.HEAD] == ScriptDirectory.from_config(upgrade.configuration()).get_heads()


def test_migrations_make_what_the_models_say(path, store):
    """Alembic finds no difference: tables, columns, types, NULL, indexes, references."""
    store.close()
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        options = {"compare_type": True, "compare_server_default": True, "version_table": schema.VERSION_TABLE}
        assert [] == compare_metadata(MigrationContext.configure(connection, opts=options), schema.metadata)
    engine.dispose()


def test_postgresql_can_follow():
    """The migrations can be written out for it, and say the same as the models there."""
    text = io.StringIO()
    config = upgrade.configuration()
    config.output_buffer = text
    config.attributes["dialect"] = "postgresql"
    command.upgrade(config, "head", sql=True)
    said = " ".join(text.getvalue().split())
    for table in schema.metadata.sorted_tables:
        made = " ".join(str(CreateTable(table).compile(dialect=postgresql.dialect())).split())
        columns = made.partition("(")[2].partition(", CONSTRAINT")[0]
        assert f"CREATE TABLE {table.name} ( {columns.strip()}" in said
    assert "spec BYTEA NOT NULL" in said
    assert "INSERT INTO schema_version (version_num) VALUES ('0001')" in said


def test_alembic_is_imported_only_to_migrate(path):
    """It takes longer to import than a gateway may take to start: a store that is up to date does without."""
    script = "Store.open(sys.argv[1]).close(); print('alembic' in sys.modules)"
    told = [start(script, path).communicate(timeout=60)[0] for _ in range(2)]
    assert ["True\n", "False\n"] == told


def test_an_older_store_is_brought_up_to_date(path, store, future):
    """With all that is in it, also what refers to a table that is made anew; and only once."""
    store.add_sandbox(sandbox(), revision())
    store.close()
    future(NEXT)
    for _ in range(2):
        newer = Store.open(path)
        assert [revision()] == newer.revisions("one")
        newer.close()
    assert [("one", "good")] == ask(path, "SELECT id, mood FROM sandboxes")
    assert [("0002",)] == ask(path, "SELECT version_num FROM schema_version")


def test_a_migration_that_fails_changes_nothing(path, store, future):
    """It is one transaction: the store stays what it was, for the version that wrote it."""
    store.add_sandbox(sandbox(), revision())
    store.close()
    before = ask(path, "SELECT sql FROM sqlite_master")
    future(NEXT + "    op.execute('DELETE FROM sandboxes')\n    op.execute('nonsense')\n")
    with pytest.raises(StateError, match=r"cannot use the store .*nonsense"):
        Store.open(path)
    assert (before, [("one",)]) == (
        ask(path, "SELECT sql FROM sqlite_master"),
        ask(path, "SELECT sandbox_id FROM revisions"),
    )


def test_a_migration_that_leaves_references_to_nothing(path, store, future):
    """While a migration runs nothing else would see that."""
    store.add_sandbox(sandbox(), revision())
    store.close()
    future(NEXT + "    op.execute('DELETE FROM sandboxes')\n")
    with pytest.raises(StateError, match="rows of revisions refer to what is not there"):
        Store.open(path)
    assert [("one",)] == ask(path, "SELECT id FROM sandboxes")


def test_a_newer_store_is_refused(path, store):
    """Going back would lose what only the newer version knows; it is left as it is."""
    store.close()
    writer = sqlite3.connect(path)
    writer.execute("UPDATE schema_version SET version_num = '0042'")
    writer.commit()
    writer.close()
    before = Path(path).read_bytes()
    with pytest.raises(StateError, match=r"newer version of pyopenshell \(schema 0042; this one knows 0001\)"):
        Store.open(path)
    assert before == Path(path).read_bytes()


def test_a_database_of_something_else_is_refused(path, store):
    """Tables of ours are not put beside those of another program."""
    store.close()
    Path(path).unlink()
    ask(path, "CREATE TABLE mails (id INTEGER)")
    with pytest.raises(StateError, match="not a store of sandboxes"):
        Store.open(path)
    assert [("mails",)] == ask(path, "SELECT name FROM sqlite_master")
