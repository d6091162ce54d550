"""Rows as records and back."""

from __future__ import annotations

from sqlalchemy import select

from pyopenshell.errors import OpenShellError
from pyopenshell.gateway.store.errors import Conflict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeVar

    from sqlalchemy import ColumnElement, Connection, Table

    from pyopenshell.record import Record

    R = TypeVar("R", bound=Record)


def values(record: Record) -> dict[str, Any]:
    """Return a record's fields as a row."""
    return dict(vars(record))


def first(connection: Connection, kind: type[R], table: Table, *where: ColumnElement[bool]) -> R | None:
    """Return the one row that is meant, as a record."""
    row = connection.execute(select(table).where(*where)).mappings().one_or_none()
    return None if row is None else kind(**row)


def every(connection: Connection, kind: type[R], table: Table, *where: ColumnElement[bool], order: Any) -> list[R]:
    """Return rows as records, in an order."""
    statement = select(table).where(*where).order_by(*order)
    return [kind(**row) for row in connection.execute(statement).mappings()]


def change(
    connection: Connection,
    kind: type[R],
    table: Table,
    *where: ColumnElement[bool],
    changes: dict[str, Any],
    expected: int | None,
    missing: OpenShellError,
) -> R:
    """Change the one row that is meant and count its resource_version up. Return what it is then.

    Raises Conflict when its resource_version is not the expected one, else ``missing`` when there is no such row.
    """
    version = table.c.resource_version
    now = (*where, version == expected) if expected is not None else where
    statement = table.update().where(*now).values(**changes, resource_version=version + 1).returning(table)
    row = connection.execute(statement).mappings().one_or_none()
    if row is not None:
        return kind(**row)
    found = connection.execute(select(version).where(*where)).scalar_one_or_none()
    if found is None:
        raise missing
    raise Conflict(
        f"one of the {table.name} was changed since it was read: its resource_version is {found}, not {expected}",
        hint="read it again, and then decide",
    )
