"""The store's workspaces, providers and profiles."""

from __future__ import annotations

from pyopenshell.errors import NameInUse
from pyopenshell.gateway.store import rows
from pyopenshell.gateway.store.database import Database
from pyopenshell.gateway.store.errors import NotKept, StillUsed
from pyopenshell.gateway.store.sandboxes import now
from pyopenshell.gateway.store.schema import profiles, providers, sandboxes, workspaces
from pyopenshell.gateway.store.shapes import DEFAULT_WORKSPACE, Profile, Provider, Workspace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeVar

    P = TypeVar("P", bound=Profile)

_FIXED = frozenset({"id", "workspace", "name", "created", "resource_version"})


def _no_workspace(name: str) -> NotKept:
    return NotKept(f"there is no workspace {name!r}", code="workspace.unknown")


def _no_provider(workspace: str, name: str) -> NotKept:
    return NotKept(f"there is no provider {name!r} in the workspace {workspace!r}", code="provider.unknown")


class Workspaces(Database):
    """Workspaces."""

    def add_workspace(self, workspace: Workspace) -> Workspace:
        """Store a workspace; return it. Raises NameInUse."""
        with self._writing() as connection:
            if rows.first(connection, Workspace, workspaces, workspaces.c.name == workspace.name) is not None:
                raise NameInUse(f"a workspace named {workspace.name!r} exists already", code="workspace.exists")
            connection.execute(workspaces.insert(), rows.values(workspace))
            return workspace

    def workspace(self, name: str) -> Workspace:
        """Return a workspace. Raises NotKept."""
        with self._reading() as connection:
            found = rows.first(connection, Workspace, workspaces, workspaces.c.name == name)
        if found is None:
            raise _no_workspace(name)
        return found

    def workspaces(self) -> list[Workspace]:
        """Return all workspaces by name."""
        with self._reading() as connection:
            return rows.every(connection, Workspace, workspaces, order=(workspaces.c.name,))

    def update_workspace(self, name: str, *, labels: dict[str, str], expected: int | None = None) -> Workspace:
        """Change a workspace's labels; return it. Raises NotKept, Conflict."""
        with self._writing() as connection:
            return rows.change(
                connection,
                Workspace,
                workspaces,
                workspaces.c.name == name,
                changes={"labels": labels},
                expected=expected,
                missing=_no_workspace(name),
            )

    def remove_workspace(self, name: str) -> bool:
        """Remove a workspace with its profiles. Return whether there was one.

        Raises StillUsed for the default one, and while sandboxes or providers are in it.
        """
        if name == DEFAULT_WORKSPACE:
            raise StillUsed(f"the workspace {name!r} is always there", hint="delete what is in it instead")
        with self._writing() as connection:
            for what, table in (("sandboxes", sandboxes), ("providers", providers)):
                if connection.execute(table.select().where(table.c.workspace == name).limit(1)).first() is not None:
                    raise StillUsed(f"there are {what} in the workspace {name!r}", hint="delete them first")
            connection.execute(profiles.delete().where(profiles.c.workspace == name))
            return connection.execute(workspaces.delete().where(workspaces.c.name == name)).rowcount == 1

    def _ensure_default(self) -> None:
        with self._reading() as connection:
            if rows.first(connection, Workspace, workspaces, workspaces.c.name == DEFAULT_WORKSPACE) is not None:
                return
        try:
            self.add_workspace(Workspace(DEFAULT_WORKSPACE, {}, now(), 1))
        except NameInUse:
            pass  # another process was quicker


class Providers(Database):
    """Providers. A name is one provider's in its workspace."""

    def add_provider(self, provider: Provider) -> Provider:
        """Store a provider; return it. Raises NameInUse; NotKept when there is no such workspace."""
        mine = (providers.c.workspace == provider.workspace, providers.c.name == provider.name)
        with self._writing() as connection:
            if rows.first(connection, Provider, providers, *mine) is not None:
                raise NameInUse(
                    f"a provider named {provider.name!r} exists already in the workspace {provider.workspace!r}",
                    code="provider.exists",
                )
            if rows.first(connection, Workspace, workspaces, workspaces.c.name == provider.workspace) is None:
                raise _no_workspace(provider.workspace)
            connection.execute(providers.insert(), rows.values(provider))
            return provider

    def provider(self, workspace: str, name: str) -> Provider:
        """Return a provider. Raises NotKept."""
        mine = (providers.c.workspace == workspace, providers.c.name == name)
        with self._reading() as connection:
            found = rows.first(connection, Provider, providers, *mine)
        if found is None:
            raise _no_provider(workspace, name)
        return found

    def providers(self, workspace: str | None = None) -> list[Provider]:
        """Return the providers of a workspace, or of all, by name."""
        where = () if workspace is None else (providers.c.workspace == workspace,)
        with self._reading() as connection:
            order = (providers.c.name, providers.c.workspace)
            return rows.every(connection, Provider, providers, *where, order=order)

    def update_provider(self, workspace: str, name: str, expected: int | None = None, **changes: Any) -> Provider:
        """Change fields of a provider; return it. Raises NotKept, Conflict."""
        wrong = changes.keys() - (set(Provider._fields) - _FIXED)
        if wrong:
            raise TypeError(f"update_provider cannot change {', '.join(sorted(wrong))}")
        with self._writing() as connection:
            return rows.change(
                connection,
                Provider,
                providers,
                providers.c.workspace == workspace,
                providers.c.name == name,
                changes=changes,
                expected=expected,
                missing=_no_provider(workspace, name),
            )

    def remove_provider(self, workspace: str, name: str) -> bool:
        """Remove a provider. Return whether there was one."""
        mine = (providers.c.workspace == workspace, providers.c.name == name)
        with self._writing() as connection:
            return connection.execute(providers.delete().where(*mine)).rowcount == 1


class Profiles(Database):
    """Profiles of a kind: ``ServiceProfile`` or ``ProviderProfile``."""

    def put_profile(self, profile: Profile) -> None:
        """Store a profile, in place of one of the same kind, workspace and name."""
        kind = type(profile)
        with self._writing() as connection:
            connection.execute(profiles.delete().where(*_mine(kind, profile.workspace, profile.name)))
            connection.execute(profiles.insert(), {"kind": kind.__name__, **rows.values(profile)})

    def profile(self, kind: type[P], workspace: str, name: str) -> P:
        """Return a profile. Raises NotKept."""
        with self._reading() as connection:
            row = connection.execute(profiles.select().where(*_mine(kind, workspace, name))).one_or_none()
        if row is None:
            raise NotKept(f"there is no profile {name!r} in the workspace {workspace!r}", code="profile.unknown")
        return kind(row.workspace, row.name, row.data)

    def profiles(self, kind: type[P], workspace: str) -> list[P]:
        """Return the profiles of a workspace by name."""
        statement = profiles.select().where(profiles.c.kind == kind.__name__, profiles.c.workspace == workspace)
        with self._reading() as connection:
            found = connection.execute(statement.order_by(profiles.c.name))
            return [kind(row.workspace, row.name, row.data) for row in found]

    def remove_profile(self, kind: type[Profile], workspace: str, name: str) -> bool:
        """Remove a profile. Return whether there was one."""
        with self._writing() as connection:
            return connection.execute(profiles.delete().where(*_mine(kind, workspace, name))).rowcount == 1


def _mine(kind: type[Profile], workspace: str, name: str) -> tuple[Any, ...]:
    return profiles.c.kind == kind.__name__, profiles.c.workspace == workspace, profiles.c.name == name
