"""Changes of a policy: what may change while a sandbox lives, what a revision is, and what became of it."""

from __future__ import annotations

import asyncio

import pytest

pytest.importorskip("openshell", reason="needs: the extra gateway")

from pyopenshell.errors import PolicyRefused, SandboxGone, StateError
from pyopenshell.gateway import policy_wire, revisions
from pyopenshell.gateway.store import AsyncStore, Sandbox, Store
from pyopenshell.policy.model import Policy

TEXT = """\
# Mine.
version: 1
filesystem_policy: {read_only: [/opt, /srv], read_write: [/data]}
process: {run_as_user: sandbox}
runtime: {cuda_thread_names: broker}
"""
NETWORK = "network_policies: {api: {endpoints: [{host: api.example.com, port: 443}]}}\n"
OTHER = NETWORK.replace("443", "8443")


def of(text):
    return lambda _before: Policy.parse(text)


@pytest.fixture
def changes(tmp_path):
    """A stored sandbox's changes: called with texts, each a wanted policy, and what the sandbox says to it.

    Gives the revisions that came of them, and all that are stored then, the newest first.
    """

    async def make(texts, revise):
        store = await AsyncStore.open(f"{tmp_path}/own/store.sqlite")
        try:
            row = Sandbox("01", "default", "demo", {}, {}, b"", "READY", "", "", None, None, None, 1, 0, 1, 1, None, "")
            first = revisions.of_policy("01", 1, Policy.parse(TEXT)).replace(status="loaded", loaded=1)
            await store.call(Store.add_sandbox, row, first)
            results: list[object] = []
            for text in texts:
                row = await store.call(Store.sandbox, "01")
                try:
                    results.append(await revisions.change(store, row, of(text), revise, {"a/b": "c"}))
                except (PolicyRefused, StateError) as error:
                    results.append(error)
            return results, await revisions.newest(store, row, 10), await store.call(Store.sandbox, "01")
        finally:
            await store.close()

    def run(*texts, revise=None):
        return asyncio.run(make(texts, revise))

    return run


def test_the_network_section_may_change(changes):
    """The sandbox is told, the revision is in force, and the one before it is not any more."""
    told = []

    async def revise(text):
        told.append(text)

    (result,), kept, row = changes(TEXT + NETWORK, revise=revise)
    assert (2, "loaded", {"a/b": "c"}, [result.text]) == (result.version, result.status, result.annotations, told)
    assert ["loaded", "superseded"] == [one.status for one in kept]
    assert 2 == row.policy_version
    expected = Policy.parse(TEXT + NETWORK).declared
    assert expected == Policy.parse(result.text).declared


def test_what_says_the_same_is_no_revision(changes):
    """However it is spelled: other order, comments, sections that say nothing; and a way back is one."""
    same = (
        "runtime: {cuda_thread_names: broker, kernel_log: denials}\n"
        + TEXT.replace("runtime: {cuda_thread_names: broker}\n", "").replace("[/opt, /srv]", "[/srv, /opt]")
        + "network_policies: {}\n"
    )
    results, kept, _row = changes(same, TEXT + NETWORK, TEXT + NETWORK, TEXT)
    assert [1, 2, 2, 3] == [one.version for one in results]
    assert TEXT == results[0].text
    assert results[0].hash == results[3].hash
    assert 3 == len(kept)


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (
            "read_only: [/opt, /srv]",
            "read_only: [/opt, /usr]",
            "filesystem_policy.read_only would lose /srv and gain /usr",
        ),
        ("read_write: [/data]", "read_write: [/data, /a, /b, /c, /d, /e, /f]", "gain /a, /b, /c, /d and 2 more"),
        ("{read_only", "{include_workdir: true, read_only", "include_workdir is false and would be true"),
        (
            "version: 1",
            "version: 1\nlandlock: {compatibility: hard_requirement}",
            "landlock.compatibility is best_effort",
        ),
        ("run_as_user: sandbox", "run_as_group: sandbox", "process.run_as_user is sandbox and would be not set"),
        ("sandbox}", "sandbox, run_as_group: video}", "process.run_as_group is not set and would be video"),
        ("names: broker", "names: 'off'", "runtime.cuda_thread_names is broker and would be off"),
        ("names: broker", "names: broker, kernel_log: 'off'", "runtime.kernel_log is denials"),
        ("names: broker", "names: broker, kernel_log_quiet: [/x]", "runtime.kernel_log_quiet would gain /x"),
        ("names: broker", "names: broker, contributors: [models]", "runtime.contributors would gain models"),
    ],
)
def test_other_sections_are_fixed(changes, before, after, words):
    """A refusal says which part, what it is and would be, and what to do; nothing is stored."""
    assert before in TEXT
    (error,), kept, row = changes(TEXT.replace(before, after) + NETWORK)
    assert isinstance(error, PolicyRefused)
    assert ("policy.fixed", 1, 1) == (error.code, len(kept), row.policy_version)
    assert words in error.message
    assert "policy get demo --base" in (error.hint or "")


def test_a_revision_that_cannot_be_taken(changes):
    """It is kept with the reason, and what was in force stays; asking again tries again."""

    async def revise(_text):
        raise StateError("the disk is full")

    (first, second), kept, row = changes(TEXT + NETWORK, TEXT + NETWORK, revise=revise)
    assert ["the disk is full"] * 2 == [first.message, second.message]
    assert [("failed", "the disk is full"), ("failed", "the disk is full"), ("loaded", "")] == [
        (one.status, one.error) for one in kept
    ]
    assert 1 == row.policy_version


def test_a_sandbox_that_does_not_run(changes):
    """Its next start takes the revision: it is in force at once."""
    (result,), _kept, row = changes(TEXT + NETWORK)
    assert ("loaded", 2) == (result.status, row.policy_version)


def test_a_sandbox_that_ends_meanwhile(changes):
    """What it could not be told, its next start takes."""

    async def revise(_text):
        raise SandboxGone("it has ended")

    (result,), _kept, row = changes(TEXT + NETWORK, revise=revise)
    assert ("loaded", 2) == (result.status, row.policy_version)


def test_hashes_are_of_what_is_declared(changes):
    """A revision's hash is that of its own text: nothing else is in it."""
    (result,), _kept, _row = changes(TEXT + NETWORK)
    assert (
        policy_wire.digest(Policy.parse(TEXT + NETWORK)) == result.hash == policy_wire.digest(Policy.parse(result.text))
    )
