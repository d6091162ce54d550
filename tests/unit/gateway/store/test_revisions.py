"""Revisions of policies: which is in force, and what became of the others."""

import pytest

from pyopenshell.gateway.store import Conflict, NotKept
from tests.unit.gateway.store.harness import revision, sandbox


def statuses(store):
    """What became of each revision, the oldest first; and which the sandbox says is in force."""
    return [one.status for one in reversed(store.revisions("one"))], store.sandbox("one").policy_version


@pytest.fixture
def kept(store):
    """A store with a sandbox whose first revision was loaded."""
    store.add_sandbox(sandbox(policy_version=1), revision(status="loaded"))
    return store


def test_a_revision_that_is_loaded_at_once(kept):
    """It takes the place of the one before; its sandbox says so, and that it changed."""
    changed = kept.add_revision(revision(version=2, status="loaded"))
    assert (2, 2) == (changed.policy_version, changed.resource_version)
    assert (changed, (["superseded", "loaded"], 2)) == (kept.sandbox("one"), statuses(kept))


def test_a_revision_that_is_loaded_later(kept):
    """Until then, the one before is in force."""
    assert sandbox(policy_version=1) == kept.add_revision(revision(version=2))
    assert (["loaded", "pending"], 1) == statuses(kept)
    loaded = kept.update_revision("one", 2, status="loaded", loaded=9)
    assert revision(version=2).replace(status="loaded", loaded=9) == loaded == kept.revision("one", 2)
    assert (["superseded", "loaded"], 2) == statuses(kept)


def test_a_revision_that_failed(kept):
    """What was in force stays so; the next one that is loaded leaves the failure as it is."""
    kept.add_revision(revision(version=2))
    assert "no such key" == kept.update_revision("one", 2, status="failed", error="no such key").error
    assert (["loaded", "failed"], 1) == statuses(kept)
    kept.add_revision(revision(version=3, status="loaded"))
    assert (["superseded", "failed", "loaded"], 3) == statuses(kept)


def test_a_revision_that_was_never_loaded(kept):
    """A later one takes its place before it could be."""
    kept.add_revision(revision(version=2))
    kept.add_revision(revision(version=3))
    assert (["loaded", "superseded", "pending"], 1) == statuses(kept)


def test_another_sandbox_is_not_touched(kept):
    """Versions are counted for each sandbox."""
    kept.add_sandbox(sandbox("two"), revision("two", 5, "loaded"))
    kept.add_revision(revision(version=9, status="loaded"))
    assert ["loaded"] == [one.status for one in kept.revisions("two")]


@pytest.mark.parametrize("version", [1, 2])
def test_a_version_that_someone_else_took(kept, version):
    """Two that change a policy at once: the second is told, and nothing is changed by it."""
    kept.add_revision(revision(version=2))
    with pytest.raises(Conflict, match="the policy of 'one' is at version 2 already"):
        kept.add_revision(revision(version=version, status="loaded"))
    assert (["loaded", "pending"], 1) == statuses(kept)


def test_a_revision_that_is_loaded_too_late(kept):
    """One that a later one has replaced does not come into force again."""
    kept.add_revision(revision(version=2))
    kept.add_revision(revision(version=3, status="loaded"))
    with pytest.raises(Conflict, match="at version 3 already"):
        kept.update_revision("one", 2, status="loaded")
    assert (["superseded", "superseded", "loaded"], 3) == statuses(kept)


def test_pages(kept):
    """The newest first, so many at a time."""
    for version in range(2, 6):
        kept.add_revision(revision(version=version))
    assert [5, 4] == [one.version for one in kept.revisions("one", limit=2)]
    assert [3, 2] == [one.version for one in kept.revisions("one", limit=2, before=4)]
    assert [1] == [one.version for one in kept.revisions("one", before=2)]


def test_a_version_that_is_not_there(kept):
    """Neither read nor changed."""
    for ask in (lambda: kept.revision("one", 7), lambda: kept.update_revision("one", 7, status="loaded")):
        with pytest.raises(NotKept, match="has no policy of version 7"):
            ask()
