"""The tables. Columns have the names of the fields in ``shapes``; types are such as every database has.

A change here needs a migration in ``migrations/versions``; a test holds the two against each other.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, MetaData, Table, Text
from sqlalchemy.types import TypeDecorator

HEAD = "0001"
"""The newest migration: what the tables below are."""
VERSION_TABLE = "schema_version"
"""Where a database says which migration it is at."""


class Prose(TypeDecorator[str]):
    """Text that people read. What no database takes (half a surrogate of a file's name, NUL) is written as escapes."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: object) -> str | None:
        """Return what is stored."""
        return value and value.encode(errors="backslashreplace").decode().replace("\0", "\\x00")


class OrNull(TypeDecorator[str]):
    """Text whose empty value is stored as NULL, which is never a duplicate of another."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: object) -> str | None:
        """Return what is stored."""
        return value or None

    def process_result_value(self, value: str | None, dialect: object) -> str:
        """Return what was stored."""
        return value or ""


def _key(name: str, *reference: ForeignKey, kind: Any = Text) -> Column[Any]:
    return Column(name, kind, *reference, primary_key=True, autoincrement=False)


def _must(name: str, kind: Any, *reference: ForeignKey) -> Column[Any]:
    return Column(name, kind, *reference, nullable=False)


metadata = MetaData(
    # Constraints have names, or no later migration could change them.
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

workspaces = Table(
    "workspaces",
    metadata,
    _key("name"),
    _must("labels", JSON),
    _must("created", BigInteger),
    _must("resource_version", BigInteger),
)

sandboxes = Table(
    "sandboxes",
    metadata,
    _key("id"),
    _must("workspace", Text, ForeignKey("workspaces.name")),
    _must("name", Text),
    _must("labels", JSON),
    _must("annotations", JSON),
    _must("spec", LargeBinary),
    _must("phase", Text),
    _must("reason", Prose),
    _must("message", Prose),
    Column("run_id", Text),
    Column("exit_code", Integer),
    Column("workdir", Text),
    _must("policy_version", BigInteger),
    _must("restarts", BigInteger),
    _must("resource_version", BigInteger),
    _must("created", BigInteger),
    Column("main_started", BigInteger),
    Column("request_id", OrNull),
    Index(None, "name", unique=True),
    Index(None, "workspace", "request_id", unique=True),
)

revisions = Table(
    "revisions",
    metadata,
    _key("sandbox_id", ForeignKey("sandboxes.id", ondelete="CASCADE")),
    _key("version", kind=BigInteger),
    _must("hash", Text),
    _must("text", Text),
    _must("status", Text),
    _must("error", Prose),
    _must("created", BigInteger),
    Column("loaded", BigInteger),
    _must("annotations", JSON),
)

tokens = Table(
    "tokens",
    metadata,
    _key("digest"),
    _must("sandbox_id", Text, ForeignKey("sandboxes.id", ondelete="CASCADE")),
    _must("created", BigInteger),
    _must("expires", BigInteger),
    Column("revoked", BigInteger),
    Index(None, "sandbox_id"),
    Index(None, "expires"),
)

providers = Table(
    "providers",
    metadata,
    _key("id"),
    _must("workspace", Text, ForeignKey("workspaces.name")),
    _must("name", Text),
    _must("type", Text),
    _must("labels", JSON),
    _must("credentials", JSON),
    _must("config", JSON),
    _must("expirations", JSON),
    _must("resource_version", BigInteger),
    _must("created", BigInteger),
    Index(None, "workspace", "name", unique=True),
)

profiles = Table("profiles", metadata, _key("kind"), _key("workspace"), _key("name"), _must("data", LargeBinary))
