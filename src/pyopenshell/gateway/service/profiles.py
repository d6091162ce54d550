"""RPCs about profiles: what a type of provider brings, and as which variables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from openshell._proto import openshell_pb2

from pyopenshell.gateway import messages, providers, validate
from pyopenshell.gateway.scope import workspace_of
from pyopenshell.gateway.store import NotKept, ProviderProfile, Store

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pyopenshell.gateway.engine import Engine


class ProfileService:
    """Profiles of providers."""

    def __init__(self, engine: Engine) -> None:
        """Serve the profiles of an engine's store."""
        self._store = engine.store

    async def ImportProviderProfiles(  # noqa: N802
        self, request: openshell_pb2.ImportProviderProfilesRequest, _context: object
    ) -> openshell_pb2.ImportProviderProfilesResponse:
        """Keep profiles: all of them, or none where one is wrong. What has no effect here is told."""
        workspace = workspace_of(request)
        await self._store.call(Store.workspace, workspace)
        answer = openshell_pb2.ImportProviderProfilesResponse(diagnostics=_diagnostics(request.profiles))
        for item in request.profiles:
            kept = await self._profile(workspace, item.profile.id)
            if kept is not None and kept != _kept(item.profile):
                answer.diagnostics.add(
                    source=item.source,
                    profile_id=item.profile.id,
                    field="id",
                    message="there is another profile of this name: delete it first",
                    severity="error",
                )
        if any(one.severity == "error" for one in answer.diagnostics):
            return answer
        for item in request.profiles:
            profile = _kept(item.profile)
            await self._store.call(
                Store.put_profile, ProviderProfile(workspace, profile.id, profile.SerializeToString(deterministic=True))
            )
            answer.profiles.append(profile)
        answer.imported = True
        return answer

    async def LintProviderProfiles(  # noqa: N802
        self, request: openshell_pb2.LintProviderProfilesRequest, _context: object
    ) -> openshell_pb2.LintProviderProfilesResponse:
        """Tell what importing would say, without keeping anything."""
        found = _diagnostics(request.profiles)
        return openshell_pb2.LintProviderProfilesResponse(
            diagnostics=found, valid=all(one.severity != "error" for one in found)
        )

    async def GetProviderProfile(  # noqa: N802
        self, request: openshell_pb2.GetProviderProfileRequest, _context: object
    ) -> openshell_pb2.ProviderProfileResponse:
        """Return a profile."""
        found = await self._store.call(Store.profile, ProviderProfile, workspace_of(request), request.id)
        return openshell_pb2.ProviderProfileResponse(profile=openshell_pb2.ProviderProfile.FromString(found.data))

    async def ListProviderProfiles(  # noqa: N802
        self, request: openshell_pb2.ListProviderProfilesRequest, _context: object
    ) -> openshell_pb2.ListProviderProfilesResponse:
        """Return a page of profiles, by name."""
        size = validate.page_size(request.page_size)
        found = await self._store.call(Store.profiles, ProviderProfile, workspace_of(request))
        start = validate.after(request.page_token, [one.name for one in found])
        kept = found[start : start + size]
        page = messages.fitting(openshell_pb2.ProviderProfile.FromString(one.data) for one in kept)
        more = page[-1].id if page and start + len(page) < len(found) else ""
        return openshell_pb2.ListProviderProfilesResponse(profiles=page, next_page_token=more)

    async def DeleteProviderProfile(  # noqa: N802
        self, request: openshell_pb2.DeleteProviderProfileRequest, _context: object
    ) -> openshell_pb2.DeleteProviderProfileResponse:
        """Remove a profile; providers of its type then bring their credentials by name."""
        if await self._store.call(Store.remove_profile, ProviderProfile, workspace_of(request), request.id):
            return openshell_pb2.DeleteProviderProfileResponse(outcome=openshell_pb2.DELETION_OUTCOME_COMPLETED)
        if not request.allow_missing:
            raise NotKept(f"there is no profile {request.id!r}", code="profile.unknown")
        return openshell_pb2.DeleteProviderProfileResponse(outcome=openshell_pb2.DELETION_OUTCOME_ALREADY_ABSENT)

    async def _profile(self, workspace: str, name: str) -> openshell_pb2.ProviderProfile | None:
        try:
            found = await self._store.call(Store.profile, ProviderProfile, workspace, name)
        except NotKept:
            return None
        return openshell_pb2.ProviderProfile.FromString(found.data)


def _kept(asked: openshell_pb2.ProviderProfile) -> openshell_pb2.ProviderProfile:
    """Return a profile as it is kept."""
    profile = openshell_pb2.ProviderProfile()
    profile.CopyFrom(asked)
    profile.resource_version = 1
    return profile


def _diagnostics(
    items: Iterable[openshell_pb2.ProviderProfileImportItem],
) -> list[openshell_pb2.ProviderProfileDiagnostic]:
    return [
        openshell_pb2.ProviderProfileDiagnostic(
            source=item.source, profile_id=item.profile.id, field=field, message=message, severity=severity
        )
        for item in items
        for severity, field, message in providers.lint(item.profile)
    ]
