"""The store's revisions of policies."""

from __future__ import annotations

from sqlalchemy import func, select

from pyopenshell.gateway.store import rows
from pyopenshell.gateway.store.database import Database
from pyopenshell.gateway.store.errors import Conflict, NotKept
from pyopenshell.gateway.store.sandboxes import no_such
from pyopenshell.gateway.store.schema import revisions, sandboxes
from pyopenshell.gateway.store.shapes import Revision, Sandbox

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sqlalchemy import Connection

    from pyopenshell.gateway.store.shapes import Status


class Revisions(Database):
    """Revisions.

    What replaces what:

    - a revision that is added takes the place of one that is still pending;
    - one that is loaded, when it is added or later, takes the place of the one that was; its version becomes the
      sandbox's ``policy_version`` (whose ``resource_version`` grows);
    - one that failed leaves in force what was.
    """

    def add_revision(self, revision: Revision) -> Sandbox:
        """Store a revision; return its sandbox as it is then.

        Raises NoSuchSandbox; Conflict when the sandbox has this version or a later one already.
        """
        with self._writing() as connection:
            sandbox = rows.first(connection, Sandbox, sandboxes, sandboxes.c.id == revision.sandbox_id)
            if sandbox is None:
                raise no_such(revision.sandbox_id)
            newest = connection.execute(
                select(func.max(revisions.c.version)).where(revisions.c.sandbox_id == sandbox.id)
            ).scalar_one()
            if newest is not None and newest >= revision.version:
                raise Conflict(
                    f"the policy of {sandbox.name!r} is at version {newest} already",
                    hint="someone else changed it too: read it again, and then decide",
                )
            connection.execute(revisions.insert(), rows.values(revision))
            _supersede(connection, revision, "pending")
            return _in_force(connection, revision, sandbox)

    def update_revision(
        self, sandbox_id: str, version: int, *, status: Status, error: str = "", loaded: int | None = None
    ) -> Revision:
        """Say what became of a revision; return it. Raises NotKept; Conflict when a later one is in force already."""
        mine = (revisions.c.sandbox_id == sandbox_id, revisions.c.version == version)
        changes = {"status": status, "error": error, "loaded": loaded}
        with self._writing() as connection:
            statement = revisions.update().where(*mine).values(**changes).returning(revisions)
            row = connection.execute(statement).mappings().one_or_none()
            if row is None:
                raise _unknown(sandbox_id, version)
            revision = Revision(**row)
            sandbox = rows.first(connection, Sandbox, sandboxes, sandboxes.c.id == sandbox_id)
            assert sandbox is not None  # noqa: S101 - its revisions would be gone too
            _in_force(connection, revision, sandbox)
            return revision

    def revision(self, sandbox_id: str, version: int) -> Revision:
        """Return a revision. Raises NotKept."""
        with self._reading() as connection:
            found = rows.first(
                connection,
                Revision,
                revisions,
                revisions.c.sandbox_id == sandbox_id,
                revisions.c.version == version,
            )
        if found is None:
            raise _unknown(sandbox_id, version)
        return found

    def revisions(self, sandbox_id: str, limit: int | None = None, before: int | None = None) -> list[Revision]:
        """Return a sandbox's revisions, the newest first: at most ``limit``, of versions below ``before``."""
        statement = select(revisions).where(revisions.c.sandbox_id == sandbox_id)
        if before is not None:
            statement = statement.where(revisions.c.version < before)
        statement = statement.order_by(revisions.c.version.desc()).limit(limit)
        with self._reading() as connection:
            return [Revision(**row) for row in connection.execute(statement).mappings()]


def _unknown(sandbox_id: str, version: int) -> NotKept:
    return NotKept(
        f"the sandbox {sandbox_id} has no policy of version {version}",
        hint="see `openshell policy list NAME`",
        code="revision.unknown",
    )


def _supersede(connection: Connection, revision: Revision, *statuses: str) -> None:
    older = (revisions.c.sandbox_id == revision.sandbox_id, revisions.c.version < revision.version)
    connection.execute(revisions.update().where(*older, revisions.c.status.in_(statuses)).values(status="superseded"))


def _in_force(connection: Connection, revision: Revision, sandbox: Sandbox) -> Sandbox:
    if revision.status != "loaded":
        return sandbox
    if revision.version < sandbox.policy_version:
        raise Conflict(
            f"the policy of {sandbox.name!r} is at version {sandbox.policy_version} already",
            hint="a later revision was loaded meanwhile, and stays in force",
        )
    _supersede(connection, revision, "pending", "loaded")
    return rows.change(
        connection,
        Sandbox,
        sandboxes,
        sandboxes.c.id == sandbox.id,
        changes={"policy_version": revision.version},
        expected=None,
        missing=no_such(sandbox.id),
    )
