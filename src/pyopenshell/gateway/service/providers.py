"""RPCs about providers, which bring credentials to sandboxes. No answer holds a credential."""

from __future__ import annotations

from typing import TYPE_CHECKING

from openshell._proto import datamodel_pb2, openshell_pb2

from pyopenshell import runs
from pyopenshell.errors import UsageError
from pyopenshell.gateway import messages, providers, validate, wanting
from pyopenshell.gateway.scope import scope_of, workspace_of
from pyopenshell.gateway.store import Provider, ProviderProfile, StillUsed, Store
from pyopenshell.gateway.store.sandboxes import now

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping
    from typing import Any

    from pyopenshell.gateway.engine import Engine

LONGEST_TYPE = 128


class ProviderService:
    """Providers of credentials."""

    def __init__(self, engine: Engine) -> None:
        """Serve the providers of an engine's store; the engine's sandboxes get what they bring."""
        self._engine = engine
        self._store = engine.store
        engine.environment = self.environment

    async def environment(self, workspace: str, names: tuple[str, ...]) -> Mapping[str, str]:
        """Return the variables that providers bring to a sandbox.

        Raises NotKept for one that there is not, CredentialExpired, UsageError where two bring the same.
        """
        found = [await self._store.call(Store.provider, workspace, name) for name in dict.fromkeys(names)]
        profiles = {}
        for one in await self._store.call(Store.profiles, ProviderProfile, workspace):
            profiles[one.name] = openshell_pb2.ProviderProfile.FromString(one.data)
        return providers.environment(found, profiles, now())

    async def CreateProvider(  # noqa: N802
        self, request: openshell_pb2.CreateProviderRequest, _context: object
    ) -> openshell_pb2.ProviderResponse:
        """Keep credentials under a name."""
        asked, workspace = request.provider, workspace_of(request)
        validate.sandbox_name(asked.metadata.name, "provider.metadata.name")
        validate.text(asked.type, "provider.type", LONGEST_TYPE)
        if not asked.type:
            raise validate.FieldError("provider.type", "is missing", hint="such as openai or github")
        _check(asked, workspace)
        credentials = providers.merged({}, asked.credentials)
        made = Provider(
            id=runs.new_id(),
            workspace=workspace,
            name=asked.metadata.name,
            type=asked.type,
            labels=dict(asked.metadata.labels),
            credentials=credentials,
            config=providers.merged({}, asked.config),
            expirations=_expirations(asked.credential_expiration_times, credentials),
            resource_version=1,
            created=now(),
        )
        return openshell_pb2.ProviderResponse(provider=_message(await self._store.call(Store.add_provider, made)))

    async def GetProvider(  # noqa: N802
        self, request: openshell_pb2.GetProviderRequest, _context: object
    ) -> openshell_pb2.ProviderResponse:
        """Return a provider, without its credentials."""
        found = await self._store.call(Store.provider, workspace_of(request), request.name)
        return openshell_pb2.ProviderResponse(provider=_message(found))

    async def ListProviders(  # noqa: N802
        self, request: openshell_pb2.ListProvidersRequest, _context: object
    ) -> openshell_pb2.ListProvidersResponse:
        """Return a page of providers, the oldest first, without their credentials."""
        matches, size = validate.selector(request.label_selector), validate.page_size(request.page_size)
        kept = await self._store.call(Store.providers, scope_of(request))
        found = sorted((one for one in kept if matches(one.labels)), key=lambda one: one.id)
        start = validate.after(request.page_token, [one.id for one in found])
        page = messages.fitting(map(_message, found[start : start + size]))
        more = page[-1].metadata.id if page and start + len(page) < len(found) else ""
        return openshell_pb2.ListProvidersResponse(providers=page, next_page_token=more)

    async def UpdateProvider(  # noqa: N802
        self, request: openshell_pb2.UpdateProviderRequest, _context: object
    ) -> openshell_pb2.ProviderResponse:
        """Change entries of a provider; those that are not named stay. Sandboxes get them when they start next."""
        asked, workspace = request.provider, workspace_of(request)
        before = await self._store.call(Store.provider, workspace, asked.metadata.name)
        if asked.type and asked.type != before.type:
            raise UsageError(
                f"provider.type is {before.type}, and stays", hint="delete the provider and create another"
            )
        _check(asked, workspace)
        credentials = providers.merged(before.credentials, asked.credentials)
        expirations = {name: at for name, at in before.expirations.items() if name in credentials}
        for times in (asked.credential_expiration_times, request.credential_expiration_times):
            expirations |= _expirations(times, credentials)
        for name in request.clear_credential_expiration_keys:
            expirations.pop(name, None)
        expected = asked.metadata.resource_version or before.resource_version
        changes: dict[str, Any] = {"labels": dict(asked.metadata.labels)} if asked.metadata.labels else {}
        changes |= {"credentials": credentials, "expirations": expirations}
        changes["config"] = providers.merged(before.config, asked.config)

        def update(store: Store) -> Provider:
            return store.update_provider(workspace, before.name, expected, **changes)

        return openshell_pb2.ProviderResponse(provider=_message(await self._store.call(update)))

    async def DeleteProvider(  # noqa: N802
        self, request: openshell_pb2.DeleteProviderRequest, _context: object
    ) -> openshell_pb2.DeleteProviderResponse:
        """Remove a provider that no sandbox is to get anything from."""
        workspace = workspace_of(request)
        users = [
            box.row.name
            for box in self._engine.boxes()
            if box.row.workspace == workspace and request.name in wanting.spec_of(box.row).providers
        ]
        if users:
            shown = ", ".join(users[:5]) + (f" and {len(users) - 5} more" if len(users) > 5 else "")
            raise StillUsed(f"sandboxes use provider {request.name}: {shown}", hint="delete them first")
        if await self._store.call(Store.remove_provider, workspace, request.name):
            return openshell_pb2.DeleteProviderResponse(outcome=openshell_pb2.DELETION_OUTCOME_COMPLETED)
        if not request.allow_missing:
            await self._store.call(Store.provider, workspace, request.name)
        return openshell_pb2.DeleteProviderResponse(outcome=openshell_pb2.DELETION_OUTCOME_ALREADY_ABSENT)


def _check(asked: datamodel_pb2.Provider, workspace: str) -> None:
    """Raise UsageError for what cannot be kept."""
    validate.labels(asked.metadata.labels, "provider.metadata.labels")
    providers.check_entries(asked.credentials, "provider.credentials")
    providers.check_entries(asked.config, "provider.config")
    if asked.credential_handles:
        raise UsageError("provider.credential_handles: there are no credential drivers here", hint="set credentials")
    if asked.profile_workspace not in ("", workspace):
        raise UsageError("provider.profile_workspace: profiles are those of the provider's own workspace")


def _expirations(times: MutableMapping[str, Any], credentials: Mapping[str, str]) -> dict[str, int]:
    unknown = sorted(set(times) - set(credentials))
    if unknown:
        raise UsageError(f"credential_expiration_times: there is no credential {unknown[0]!r}")
    try:
        return {name: int(times[name].ToMilliseconds()) for name in times}
    except ValueError as error:
        raise UsageError(f"credential_expiration_times: {error}") from None


def _message(provider: Provider) -> datamodel_pb2.Provider:
    message = datamodel_pb2.Provider(
        type=provider.type,
        config=provider.config,
        credentials=dict.fromkeys(provider.credentials, providers.REDACTED),
    )
    meta = message.metadata
    meta.id, meta.name, meta.workspace = provider.id, provider.name, provider.workspace
    meta.resource_version = provider.resource_version
    meta.labels.update(provider.labels)
    messages.moment(meta.created_time, provider.created)
    for name, at in provider.expirations.items():
        messages.moment(message.credential_expiration_times[name], at)
    return message
