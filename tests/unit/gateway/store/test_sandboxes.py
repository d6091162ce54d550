"""Sandboxes and tokens: stored, found, changed and removed, each as one transaction."""

import pytest

from pyopenshell.errors import NameInUse, NoSuchSandbox, UsageError
from pyopenshell.gateway.store import Conflict, NotKept, Store, Token
from tests.unit.gateway.store.harness import revision, sandbox


def test_a_store_is_opened_again(path, store):
    """What was stored is there for the next process, and so is the default workspace."""
    store.add_sandbox(sandbox(), revision())
    store.close()
    again = Store.open(path)
    assert ([sandbox()], [revision()]) == (again.sandboxes(), again.revisions("one"))
    assert ["default"] == [workspace.name for workspace in again.workspaces()]
    again.close()


def test_all_are_listed_the_oldest_first(store):
    """In the order of their creation, whatever their ids."""
    for number, id_ in enumerate("cab"):
        store.add_sandbox(sandbox(id_, created=number), revision(id_))
    assert ["c", "a", "b"] == [one.id for one in store.sandboxes()]


def test_a_name_is_given_once(store):
    """In another workspace too; the second one leaves nothing behind."""
    store.add_workspace(store.workspace("default").replace(name="other"))
    store.add_sandbox(sandbox(), revision())
    with pytest.raises(NameInUse, match="a sandbox named 'one' exists already"):
        store.add_sandbox(sandbox("two", name="one", workspace="other"), revision("two"))
    assert ([sandbox()], []) == (store.sandboxes(), store.revisions("two"))


def test_a_request_that_is_repeated_makes_no_second_sandbox(store):
    """Same workspace and request: the first one's sandbox is returned, as it is by now."""
    store.add_workspace(store.workspace("default").replace(name="other"))
    wanted = sandbox(request_id="r1")
    assert wanted == store.add_sandbox(wanted, revision())
    changed = store.update_sandbox("one", phase="READY")
    assert changed == store.add_sandbox(sandbox("two", request_id="r1"), revision("two"))
    for id_, more in (("three", {"workspace": "other", "request_id": "r1"}), ("four", {}), ("five", {})):
        assert id_ == store.add_sandbox(sandbox(id_, **more), revision(id_)).id


def test_a_workspace_must_exist(store):
    """A sandbox in no workspace is refused."""
    with pytest.raises(NotKept, match="no workspace 'lab'") as told:
        store.add_sandbox(sandbox(workspace="lab"), revision())
    assert "workspace.unknown" == told.value.code


def test_a_sandbox_is_changed(store):
    """Each change counts its version up, and is stored."""
    store.add_sandbox(sandbox(), revision())
    changed = store.update_sandbox("one", phase="ERROR", exit_code=3, labels={})
    assert sandbox(phase="ERROR", exit_code=3, labels={}, resource_version=2) == changed == store.sandbox("one")


def test_a_change_of_what_was_changed_meanwhile(store):
    """Who expects a version gets that one or a refusal that changes nothing."""
    store.add_sandbox(sandbox(), revision())
    store.update_sandbox("one", expected=1, phase="READY")
    with pytest.raises(Conflict, match="resource_version is 2, not 1"):
        store.update_sandbox("one", expected=1, phase="ERROR")
    assert ("READY", 2) == (store.sandbox("one").phase, store.sandbox("one").resource_version)


@pytest.mark.parametrize("field", ["id", "name", "workspace", "created", "request_id", "resource_version", "nonsense"])
def test_what_cannot_be_changed(store, field):
    """Names and the like are for life: asking is a mistake of ours."""
    store.add_sandbox(sandbox(), revision())
    with pytest.raises(TypeError):
        store.update_sandbox("one", **{field: "x"})


def test_what_is_not_there(store):
    """Unknown ids are errors, except where nothing is to be left."""
    for ask in (
        lambda: store.sandbox("no"),
        lambda: store.update_sandbox("no", phase="READY"),
        lambda: store.add_revision(revision("no")),
        lambda: store.add_token(Token("d", "no", 1, 2, None)),
    ):
        with pytest.raises(NoSuchSandbox):
            ask()
    assert (False, False, None) == (store.remove_sandbox("no"), store.revoke_token("no"), store.token("no"))


def test_removed_with_all_that_is_its_own(store):
    """Revisions and tokens go with their sandbox, and only they; the name and the request are free again."""
    for id_ in ("one", "two"):
        store.add_sandbox(sandbox(id_, request_id=id_), revision(id_))
        store.add_token(Token(f"token of {id_}", id_, 1, 2, None))
    assert store.remove_sandbox("one")
    assert (["two"], []) == ([one.id for one in store.sandboxes()], store.revisions("one"))
    assert (None, "two") == (store.token("token of one"), store.token("token of two").sandbox_id)
    assert "three" == store.add_sandbox(sandbox("three", name="one", request_id="one"), revision("three")).id


def test_a_transaction_is_whole_or_not_at_all(store):
    """A sandbox whose revision cannot be stored is not stored either."""
    with pytest.raises(Conflict):
        store.add_sandbox(sandbox(), revision("another"))
    assert [] == store.sandboxes()


def test_an_id_is_given_once(store):
    """Also when the name differs."""
    store.add_sandbox(sandbox(), revision())
    with pytest.raises(Conflict, match="contradicts"):
        store.add_sandbox(sandbox(name="other"), revision())


def test_text_that_no_database_takes(store):
    """In a message, the names of files may be any bytes: they are stored as escapes. Elsewhere it is a clear error."""
    store.add_sandbox(sandbox(), revision())
    assert r"no \udcff\x00 here" == store.update_sandbox("one", message="no \udcff\0 here").message
    with pytest.raises(UsageError, match="not valid Unicode"):
        store.update_sandbox("one", workdir="/\udcff")
    with pytest.raises(UsageError, match="value is too large"):
        store.update_sandbox("one", expected=2**63)


def test_tokens(store):
    """A token is revoked once, and its sandbox's others are not; it is forgotten when it has expired."""
    store.add_sandbox(sandbox(), revision())
    first, second = Token("a", "one", 1, 100, None), Token("b", "one", 2, 200, None)
    store.add_token(first)
    store.add_token(second)
    assert (first, [first, second]) == (store.token("a"), store.tokens("one"))
    assert [True, False] == [store.revoke_token("a", at=50), store.revoke_token("a", at=60)]
    assert (first.replace(revoked=50), second) == (store.token("a"), store.token("b"))
    assert [0, 1] == [store.purge_tokens(99), store.purge_tokens(100)]
    assert [second] == store.tokens("one")


def test_a_token_is_revoked_now(store):
    """The time need not be given."""
    store.add_sandbox(sandbox(), revision())
    store.add_token(Token("a", "one", 1, 100, None))
    store.revoke_token("a")
    assert store.token("a").revoked > 1_700_000_000_000
