"""Workspaces, providers and profiles."""

import logging
import traceback

import pytest

from pyopenshell.errors import NameInUse, OpenShellError
from pyopenshell.gateway.store import (
    Conflict,
    NotKept,
    ProviderProfile,
    ServiceProfile,
    StillUsed,
    Workspace,
)
from tests.unit.gateway.store.harness import provider, revision, sandbox

LAB = Workspace("lab", {"a": "b"}, 3, 1)


def test_workspaces(store):
    """Made once, changed, listed by name, removed."""
    assert LAB == store.add_workspace(LAB) == store.workspace("lab")
    with pytest.raises(NameInUse, match="workspace named 'lab'") as told:
        store.add_workspace(LAB)
    assert "workspace.exists" == told.value.code
    assert LAB.replace(labels={}, resource_version=2) == store.update_workspace("lab", labels={}, expected=1)
    with pytest.raises(Conflict):
        store.update_workspace("lab", labels={}, expected=1)
    assert ["default", "lab"] == [one.name for one in store.workspaces()]
    assert [True, False] == [store.remove_workspace("lab"), store.remove_workspace("lab")]
    for ask in (lambda: store.workspace("lab"), lambda: store.update_workspace("lab", labels={})):
        with pytest.raises(NotKept, match="no workspace 'lab'"):
            ask()


def test_a_workspace_in_use_stays(store):
    """Until its sandboxes and providers are gone; its profiles go with it."""
    store.add_workspace(LAB)
    store.add_sandbox(sandbox(workspace="lab"), revision())
    store.add_provider(provider(workspace="lab"))
    store.put_profile(ProviderProfile("lab", "p", b"1"))
    with pytest.raises(StillUsed, match="there are sandboxes in the workspace 'lab'"):
        store.remove_workspace("lab")
    store.remove_sandbox("one")
    with pytest.raises(StillUsed, match="there are providers in the workspace 'lab'"):
        store.remove_workspace("lab")
    store.remove_provider("lab", "keys")
    assert store.remove_workspace("lab")
    assert [] == store.profiles(ProviderProfile, "lab")


def test_the_default_workspace_stays(store):
    """It is always there."""
    with pytest.raises(StillUsed, match="always there"):
        store.remove_workspace("default")


def test_providers(store):
    """Made once in a workspace, changed, listed, removed."""
    store.add_workspace(LAB)
    assert provider() == store.add_provider(provider()) == store.provider("default", "keys")
    with pytest.raises(NameInUse, match="provider named 'keys' exists already in the workspace 'default'"):
        store.add_provider(provider(id="other"))
    other = store.add_provider(provider(id="other", workspace="lab"))
    changed = store.update_provider("default", "keys", expected=1, credentials={"API_KEY": "new"})
    assert provider(credentials={"API_KEY": "new"}, resource_version=2) == changed
    with pytest.raises(Conflict):
        store.update_provider("default", "keys", expected=1, config={})
    assert ([changed, other], [other]) == (store.providers(), store.providers("lab"))
    assert [True, False] == [store.remove_provider("default", "keys") for _ in range(2)]
    assert [other] == store.providers()


def test_a_provider_that_is_not_there(store):
    """Neither read nor changed, nor made in no workspace."""
    for ask in (lambda: store.provider("default", "no"), lambda: store.update_provider("default", "no", config={})):
        with pytest.raises(NotKept, match="no provider 'no'"):
            ask()
    with pytest.raises(NotKept, match="no workspace 'lab'"):
        store.add_provider(provider(workspace="lab"))
    with pytest.raises(TypeError, match="name"):
        store.update_provider("default", "no", name="other")


def test_profiles(store):
    """By kind, workspace and name; a later one takes an earlier one's place."""
    one, two = ProviderProfile("", "p", b"1"), ServiceProfile("", "p", b"2")
    store.put_profile(ProviderProfile("", "p", b"0"))
    store.put_profile(one)
    store.put_profile(two)
    store.put_profile(ProviderProfile("lab", "p", b"3"))
    assert (one, two) == (store.profile(ProviderProfile, "", "p"), store.profile(ServiceProfile, "", "p"))
    assert [one] == store.profiles(ProviderProfile, "")
    assert [True, False] == [store.remove_profile(ProviderProfile, "", "p") for _ in range(2)]
    assert ([], [two]) == (store.profiles(ProviderProfile, ""), store.profiles(ServiceProfile, ""))
    with pytest.raises(NotKept, match="no profile 'p'"):
        store.profile(ProviderProfile, "", "p")


def test_credentials_are_shown_nowhere():
    """Neither in a provider's text nor in its plain form; that there are some is."""
    shown = f"{provider()} {provider()!r} {provider().as_dict()}"
    assert ("hunter2" in shown, shown.count("API_KEY")) == (False, 3)


@pytest.mark.parametrize("wrong", [{"id": "id of keys"}, {"workspace": "no"}, {"type": "\udcff"}, {"created": 2**64}])
def test_credentials_are_in_no_error(store, wrong):
    """Not in one of the database either, with all its causes."""
    store.add_provider(provider())
    with pytest.raises(OpenShellError) as told:
        store.add_provider(provider("other", **{"id": "new", **wrong}))
    assert "hunter2" not in "".join(traceback.format_exception(told.value))


def test_credentials_are_in_no_log(store, caplog):
    """Not when every statement is logged: its values are not."""
    with caplog.at_level(logging.INFO, "sqlalchemy.engine"):
        store.add_provider(provider())
        store.update_provider("default", "keys", credentials={"API_KEY": "hunter2 again"})
    assert ("INSERT INTO providers" in caplog.text, "hunter2" in caplog.text) == (True, False)


def test_credentials_are_overwritten(path, store):
    """What was removed is not left in the file's free pages, nor in the log once the store is closed."""
    store.add_provider(provider(credentials={"API_KEY": "hunter2-secret " * 1000}))
    store.remove_provider("default", "keys")
    store.close()
    with open(path, "rb") as file:
        assert b"hunter2" not in file.read()
