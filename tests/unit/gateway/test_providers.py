"""Workspaces, providers and profiles: what is kept, what is told of it, what sandboxes get, and what is refused."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest

pytest.importorskip("openshell", reason="needs: the extra gateway")

from google.protobuf import json_format
from openshell._proto import openshell_pb2

from pyopenshell.errors import NameInUse, UsageError
from pyopenshell.gateway import providers
from pyopenshell.gateway.box import Box
from pyopenshell.gateway.engine import Engine
from pyopenshell.gateway.service.profiles import ProfileService
from pyopenshell.gateway.service.providers import ProviderService
from pyopenshell.gateway.service.workspaces import WorkspaceService
from pyopenshell.gateway.store import AsyncStore, Conflict, NotKept, Revision, Sandbox, StillUsed, Store

SECRET = "s3cr3t-value"
PROVIDER = {
    "metadata": {"name": "ai", "labels": {"team": "a"}},
    "type": "openai",
    "credentials": {"OPENAI_API_KEY": SECRET, "ORG": "acme"},
    "config": {"REGION": "eu"},
    "credential_expiration_times": {"ORG": "2200-01-01T00:00:00Z"},
}


@pytest.fixture
def gateway(tmp_path):
    """Run a test's coroutine with the services of a gateway whose store is new: ``gateway(test)``."""

    @asynccontextmanager
    async def opened():
        store = await AsyncStore.open(f"{tmp_path}/own/store.sqlite")
        engine = Engine(store, None)  # type: ignore[arg-type]  # nothing is started here
        try:
            yield Gateway(engine)
        finally:
            await store.close()

    def run(test):
        async def main():
            async with opened() as services:
                return await test(services)

        return asyncio.run(main())

    return run


class Gateway:
    """The services, called by the name of a method, with the fields of its request as JSON has them."""

    def __init__(self, engine):
        self.engine = engine
        self.services = [ProviderService(engine), ProfileService(engine), WorkspaceService(engine)]

    async def __call__(self, method, **fields):
        service = next(service for service in self.services if hasattr(service, method))
        request = json_format.ParseDict(fields, getattr(openshell_pb2, f"{method}Request")())
        answer = await getattr(service, method)(request, None)
        assert SECRET not in str(answer)
        return json_format.MessageToDict(answer, preserving_proto_field_name=True)


def test_credentials_are_never_told(gateway):
    """Their names are; whoever asks for a provider, lists or changes it."""

    async def test(call):
        made = (await call("CreateProvider", provider=PROVIDER))["provider"]
        assert {"OPENAI_API_KEY": "REDACTED", "ORG": "REDACTED"} == made["credentials"]
        assert ({"REGION": "eu"}, "openai", {"team": "a"}) == (made["config"], made["type"], made["metadata"]["labels"])
        assert made == (await call("GetProvider", name="ai"))["provider"]
        assert [made] == (await call("ListProviders", label_selector="team=a"))["providers"]
        assert {} == await call("ListProviders", label_selector="team!=a")
        assert {"OPENAI_API_KEY": SECRET, "ORG": "acme"} == await call.engine.environment("default", ("ai", "ai"))

    gateway(test)


def test_a_provider_is_changed_entry_by_entry(gateway):
    """What is told can be sent back, and changes nothing; an empty value removes; a version that is old is refused."""

    async def test(call):
        made = (await call("CreateProvider", provider=PROVIDER))["provider"]
        again = (await call("UpdateProvider", provider=made))["provider"]
        assert "2" == again["metadata"]["resource_version"]
        with pytest.raises(Conflict):
            await call("UpdateProvider", provider=made)
        changes = {"metadata": {"name": "ai"}, "credentials": {"ORG": "", "NEW": "n"}, "config": {"REGION": ""}}
        changed = (await call("UpdateProvider", provider=changes))["provider"]
        assert ["NEW", "OPENAI_API_KEY"] == sorted(changed["credentials"])
        assert not {"config", "credential_expiration_times"} & changed.keys()
        assert {"OPENAI_API_KEY": SECRET, "NEW": "n"} == await call.engine.environment("default", ("ai",))
        for wrong in ({"credentials": {"X": "REDACTED"}}, {"type": "other"}):
            with pytest.raises(UsageError):
                await call("UpdateProvider", provider={"metadata": {"name": "ai"}, **wrong})

    gateway(test)


def test_credentials_expire(gateway):
    """A sandbox gets none that has; times can be changed and taken away, of credentials that there are."""

    async def test(call):
        await call("CreateProvider", provider=PROVIDER)
        name = {"metadata": {"name": "ai"}}
        past = {"ORG": "2000-01-01T00:00:00Z"}
        await call("UpdateProvider", provider=name, credential_expiration_times=past)
        with pytest.raises(providers.CredentialExpired, match="ORG of provider ai has expired"):
            await call.engine.environment("default", ("ai",))
        await call("UpdateProvider", provider=name, clear_credential_expiration_keys=["ORG"])
        assert "ORG" in await call.engine.environment("default", ("ai",))
        with pytest.raises(UsageError, match="no credential 'X'"):
            await call("UpdateProvider", provider=name, credential_expiration_times={"X": past["ORG"]})

    gateway(test)


def test_a_profile_says_which_variables(gateway):
    """Of a provider of its type; what of it has no effect here is told, and nothing is kept of what is wrong."""
    credential = {"name": "OPENAI_API_KEY", "env_vars": ["AI_KEY", "AI_TOKEN"], "auth_style": "bearer"}
    profile = {"id": "openai", "credentials": [credential], "endpoints": [{"host": "api.openai.com", "port": 443}]}

    async def test(call):
        await call("CreateProvider", provider=PROVIDER)
        answer = await call("ImportProviderProfiles", profiles=[{"profile": profile, "source": "a.yaml"}])
        assert answer["imported"]
        told = [(one["severity"], one["field"]) for one in answer["diagnostics"]]
        assert [("warning", "credentials[0].auth_style"), ("warning", "endpoints")] == told
        expected = {"AI_KEY": SECRET, "AI_TOKEN": SECRET, "ORG": "acme"}
        assert expected == await call.engine.environment("default", ("ai",))
        assert answer["profiles"] == [(await call("GetProviderProfile", id="openai"))["profile"]]
        assert answer["profiles"] == (await call("ListProviderProfiles"))["profiles"]
        assert (await call("ImportProviderProfiles", profiles=[{"profile": profile}]))["imported"]
        other = {"id": "openai", "credentials": [{"name": "A", "env_vars": ["1="]}, {"name": "A"}]}
        for wrong, count in (([{"profile": {"id": "new"}}, {"profile": other}], 3), ([{"profile": {"id": "A/b"}}], 1)):
            answer = await call("ImportProviderProfiles", profiles=wrong)
            assert (False, count) == ("imported" in answer, len(answer["diagnostics"]))
            assert not (await call("LintProviderProfiles", profiles=wrong)).get("valid")
        assert 1 == len((await call("ListProviderProfiles"))["profiles"])
        assert "DELETION_OUTCOME_COMPLETED" == (await call("DeleteProviderProfile", id="openai"))["outcome"]
        assert "OPENAI_API_KEY" in await call.engine.environment("default", ("ai",))

    gateway(test)


def test_two_providers_must_not_bring_the_same(gateway):
    """Which of both a program should get, nobody could know."""

    async def test(call):
        await call("CreateProvider", provider=PROVIDER)
        await call("CreateProvider", provider={**PROVIDER, "metadata": {"name": "two"}})
        with pytest.raises(UsageError, match="providers ai and two both bring the variable OPENAI_API_KEY") as caught:
            await call.engine.environment("default", ("ai", "two"))
        assert SECRET not in str(caught.value)
        with pytest.raises(NotKept):
            await call.engine.environment("default", ("three",))

    gateway(test)


@pytest.mark.parametrize(
    "changes",
    [
        {"metadata": {"name": "A B"}},
        {"metadata": {}},
        {"type": ""},
        {"credentials": {"A-B": SECRET}},
        {"credentials": {"A=B": SECRET}},
        {"credentials": {"A": f"{SECRET}\0"}},
        {"credentials": {"A": "REDACTED"}},
        {"credentials": {"A": SECRET * 20_000}},
        {"config": {"1": "x"}},
        {"credential_expiration_times": {"OTHER": "2200-01-01T00:00:00Z"}},
        {"credential_handles": {"A": {"driver": "vault"}}},
        {"profile_workspace": "other"},
        {"metadata": {"name": "ai", "labels": {"a b": "c"}}},
    ],
)
def test_what_is_no_provider(gateway, changes):
    """It is refused in words that hold no credential, and nothing is kept."""

    async def test(call):
        with pytest.raises(UsageError) as caught:
            await call("CreateProvider", provider={**PROVIDER, **changes})
        assert SECRET not in "".join(caught.value.lines())
        assert {} == await call("ListProviders")

    gateway(test)


def stored(workspace="default", providers=()):
    spec = openshell_pb2.SandboxSpec(providers=providers).SerializeToString()
    row = Sandbox("01", workspace, "demo", {}, {}, spec, "STOPPED", "", "", None, None, None, 1, 0, 1, 1, None, "")
    return row, Revision("01", 1, "", "", "loaded", "", 1, 1, {})


def test_a_provider_that_is_used_stays(gateway):
    """A sandbox that was to get something from it could not start again."""

    async def test(call):
        await call("CreateProvider", provider=PROVIDER)
        row, _ = stored(providers=["ai"])
        call.engine._keep(Box(call.engine.store, row))
        with pytest.raises(StillUsed, match="sandboxes use provider ai: demo"):
            await call("DeleteProvider", name="ai")
        call.engine._boxes.clear()
        assert "DELETION_OUTCOME_COMPLETED" == (await call("DeleteProvider", name="ai"))["outcome"]
        absent = await call("DeleteProvider", name="ai", allow_missing=True)
        assert "DELETION_OUTCOME_ALREADY_ABSENT" == absent["outcome"]
        with pytest.raises(NotKept):
            await call("DeleteProvider", name="ai")

    gateway(test)


def test_pages(gateway):
    """Each page goes on where the one before it ended; what is removed meanwhile moves nothing."""

    async def test(call):
        for name in "abcde":
            await call("CreateProvider", provider={**PROVIDER, "metadata": {"name": name}})
        first = await call("ListProviders", page_size=2)
        await call("DeleteProvider", name="a")
        second = await call("ListProviders", page_size=3, page_token=first["next_page_token"])
        names = [one["metadata"]["name"] for page in (first, second) for one in page["providers"]]
        assert list("abcde") == names
        assert "next_page_token" not in second
        for wrong in ({"page_size": -1}, {"page_token": "../x"}, {"label_selector": "a=b=c"}):
            with pytest.raises(UsageError):
                await call("ListProviders", **wrong)

    gateway(test)


def test_workspaces(gateway):
    """They are made, listed and removed when nothing is in them; providers of one are none of another's."""

    async def test(call):
        made = (await call("CreateWorkspace", name="team", labels={"a": "b"}))["workspace"]
        assert "WORKSPACE_PHASE_ACTIVE" == made["status"]["phase"]
        assert made == (await call("GetWorkspace", name="team"))["workspace"]
        names = [one["metadata"]["name"] for one in (await call("ListWorkspaces"))["workspaces"]]
        assert ["default", "team"] == names
        assert [made] == (await call("ListWorkspaces", label_selector="a=b"))["workspaces"]
        with pytest.raises(NameInUse):
            await call("CreateWorkspace", name="team")
        scope = {"workspace_scope": {"workspace": "team"}}
        await call("CreateProvider", provider=PROVIDER, **scope)
        with pytest.raises(NotKept):
            await call("GetProvider", name="ai")
        with pytest.raises(StillUsed, match="providers"):
            await call("DeleteWorkspace", name="team")
        await call("DeleteProvider", name="ai", **scope)
        await call.engine.store.call(Store.add_sandbox, *stored("team"))
        with pytest.raises(StillUsed, match="sandboxes"):
            await call("DeleteWorkspace", name="team")
        await call.engine.store.call(Store.remove_sandbox, "01")
        assert "DELETION_OUTCOME_COMPLETED" == (await call("DeleteWorkspace", name="team"))["outcome"]
        with pytest.raises(NotKept):
            await call("DeleteWorkspace", name="team")
        assert "outcome" in await call("DeleteWorkspace", name="team", allow_missing=True)
        with pytest.raises(StillUsed):
            await call("DeleteWorkspace", name="default")
        with pytest.raises(UsageError):
            await call("CreateWorkspace", name="../team")

    gateway(test)
