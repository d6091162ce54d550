"""The store's sandboxes and their tokens."""

from __future__ import annotations

import time

from pyopenshell.errors import NameInUse, NoSuchSandbox
from pyopenshell.gateway.store import rows
from pyopenshell.gateway.store.database import Database
from pyopenshell.gateway.store.errors import NotKept
from pyopenshell.gateway.store.schema import revisions, sandboxes, tokens, workspaces
from pyopenshell.gateway.store.shapes import Revision, Sandbox, Token, Workspace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_FIXED = frozenset({"id", "workspace", "name", "created", "request_id", "resource_version"})


def now() -> int:
    """Return the time in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def no_such(id_: str) -> NoSuchSandbox:
    """Return the error for an id that no sandbox has."""
    return NoSuchSandbox(f"no sandbox has the id {id_}", hint="it may have been deleted; see `openshell sandbox list`")


class Sandboxes(Database):
    """Sandboxes. A name is one sandbox's in all workspaces together."""

    def add_sandbox(self, sandbox: Sandbox, first: Revision) -> Sandbox:
        """Store a sandbox with the first revision of its policy; return it.

        A request that is repeated (same workspace and ``request_id``, not "") stores nothing: what is returned is
        then the sandbox that the first one made, and its ``id`` is not that of ``sandbox``.

        Raises NameInUse; NotKept when there is no such workspace.
        """
        with self._writing() as connection:
            if sandbox.request_id:
                again = rows.first(
                    connection,
                    Sandbox,
                    sandboxes,
                    sandboxes.c.workspace == sandbox.workspace,
                    sandboxes.c.request_id == sandbox.request_id,
                )
                if again is not None:
                    return again
            if rows.first(connection, Sandbox, sandboxes, sandboxes.c.name == sandbox.name) is not None:
                raise NameInUse(
                    f"a sandbox named {sandbox.name!r} exists already", hint="choose another name, or delete that one"
                )
            if rows.first(connection, Workspace, workspaces, workspaces.c.name == sandbox.workspace) is None:
                raise NotKept(f"there is no workspace {sandbox.workspace!r}", code="workspace.unknown")
            connection.execute(sandboxes.insert(), rows.values(sandbox))
            connection.execute(revisions.insert(), rows.values(first))
            return sandbox

    def sandbox(self, id: str) -> Sandbox:  # noqa: A002
        """Return a sandbox. Raises NoSuchSandbox."""
        with self._reading() as connection:
            found = rows.first(connection, Sandbox, sandboxes, sandboxes.c.id == id)
        if found is None:
            raise no_such(id)
        return found

    def sandboxes(self) -> list[Sandbox]:
        """Return all sandboxes, the oldest first."""
        with self._reading() as connection:
            return rows.every(connection, Sandbox, sandboxes, order=(sandboxes.c.created, sandboxes.c.id))

    def update_sandbox(self, id: str, expected: int | None = None, **changes: Any) -> Sandbox:  # noqa: A002
        """Change fields of a sandbox; return what it is then. Its ``resource_version`` grows by one.

        Raises NoSuchSandbox; Conflict when its ``resource_version`` is not ``expected`` (None: whatever it is).
        """
        wrong = changes.keys() - (set(Sandbox._fields) - _FIXED)
        if wrong:
            raise TypeError(f"update_sandbox cannot change {', '.join(sorted(wrong))}")
        with self._writing() as connection:
            return rows.change(
                connection,
                Sandbox,
                sandboxes,
                sandboxes.c.id == id,
                changes=changes,
                expected=expected,
                missing=no_such(id),
            )

    def remove_sandbox(self, id: str) -> bool:  # noqa: A002
        """Remove a sandbox with its revisions and tokens. Return whether there was one."""
        with self._writing() as connection:
            return connection.execute(sandboxes.delete().where(sandboxes.c.id == id)).rowcount == 1


class Tokens(Database):
    """Tokens for SSH, found by their digests."""

    def add_token(self, token: Token) -> None:
        """Store a token. Raises NoSuchSandbox."""
        with self._writing() as connection:
            if rows.first(connection, Sandbox, sandboxes, sandboxes.c.id == token.sandbox_id) is None:
                raise no_such(token.sandbox_id)
            connection.execute(tokens.insert(), rows.values(token))

    def token(self, digest: str) -> Token | None:
        """Return a token, also one that has expired or was revoked: the caller looks at that."""
        with self._reading() as connection:
            return rows.first(connection, Token, tokens, tokens.c.digest == digest)

    def tokens(self, sandbox_id: str) -> list[Token]:
        """Return a sandbox's tokens, the oldest first."""
        with self._reading() as connection:
            return rows.every(
                connection,
                Token,
                tokens,
                tokens.c.sandbox_id == sandbox_id,
                order=(tokens.c.created, tokens.c.digest),
            )

    def revoke_token(self, digest: str, at: int | None = None) -> bool:
        """Revoke a token (``at``: now, unless given). Return whether there was one that was not revoked before."""
        statement = tokens.update().where(tokens.c.digest == digest, tokens.c.revoked.is_(None))
        with self._writing() as connection:
            return connection.execute(statement.values(revoked=now() if at is None else at)).rowcount == 1

    def purge_tokens(self, now: int) -> int:
        """Remove the tokens that have expired by ``now``. Return how many."""
        with self._writing() as connection:
            return connection.execute(tokens.delete().where(tokens.c.expires <= now)).rowcount
