"""What a gateway does with sandboxes when many ask at once, go away in the midst of it, or ask again."""

import asyncio
import os
import time
from contextlib import asynccontextmanager
from typing import Any

import pytest

pytest.importorskip("openshell", reason="needs: the extra gateway")

from openshell._proto import openshell_pb2

from pyopenshell import runs
from pyopenshell.errors import NameInUse, NoSuchSandbox, OpenShellError, PolicyRefused
from pyopenshell.gateway import policy_wire, remains, wanting
from pyopenshell.gateway.box import NotRunning
from pyopenshell.gateway.engine import Engine
from pyopenshell.gateway.store import AsyncStore, Revision, Store, Workspace, rows, schema
from pyopenshell.gateway.wanting import NewSandbox
from pyopenshell.policy.model import Policy
from pyopenshell.supervisor.client import Supervisors
from pyopenshell.supervisor.session import Ended, Output, Program
from pyopenshell.testing import require
from tests.confined.torture import household, scale

SECONDS = 60
POLICY = Policy.from_dict({"version": 1, "filesystem_policy": {"include_workdir": True}})
"""What a policy of ours costs the least with."""


def new(name, *command, **more):
    """What is asked for."""
    spec = openshell_pb2.SandboxSpec(command=command).SerializeToString()
    known: dict[str, Any] = {"workspace": "default", "labels": {}, "annotations": {}, "spec": spec, "providers": ()}
    policy = more.pop("policy", POLICY)
    return NewSandbox(name=name, policy=policy, policy_hash=policy_wire.digest(policy), **(known | more))


@asynccontextmanager
async def opened():
    """An engine, as a gateway has it, which lets go of its sandboxes at the end."""
    store = await AsyncStore.open(f"{runs.state_root()}/gateway/store.sqlite")
    engine = Engine(store, Supervisors())
    try:
        await engine.recover()
        yield engine
    finally:
        await engine.close()
        await store.close()


@pytest.fixture
def state(tmp_path_factory, monkeypatch):
    """Run a test's coroutine where all is new; what it leaves is deleted, and then nothing may be there."""
    require(namespaces=True)
    folder = tmp_path_factory.mktemp("engine")
    folder.chmod(0o755)
    for name in ("STATE", "CONFIG", "DATA"):
        monkeypatch.setenv(f"XDG_{name}_HOME", f"{folder}/{name}")

    async def whole(test):
        await asyncio.wait_for(test(), SECONDS)
        async with opened() as engine:
            for box in engine.boxes():
                await engine.delete(box.row.workspace, box.row.name)

    before = household.children(os.getpid())
    yield lambda test: asyncio.run(whole(test))
    assert [] == [view.name for view in runs.list_runs()]
    assert [] == os.listdir(f"{runs.state_root()}/names")
    assert [] == os.listdir(f"{wanting.data_root()}/sandboxes")
    assert before == household.children(os.getpid())


def alive():
    """The names of the sandboxes that have a supervisor."""
    return sorted(view.name for view in runs.list_runs() if remains.is_alive(view))


async def typical(engine):
    """The seconds that a launch takes here, now."""
    await engine.create(new("warm"))
    begin = time.monotonic()
    await engine.create(new("typical"))
    took = time.monotonic() - begin
    await engine.delete("default", "warm")
    await engine.delete("default", "typical")
    return took


async def given_up(work, after):
    """Let somebody who waits for a call go away after so many seconds."""
    task = asyncio.ensure_future(work)
    await asyncio.wait([task], timeout=after)
    task.cancel()
    await asyncio.wait([task])


def test_clients_that_vanish_while_something_is_made(state):
    """Of a sandbox nobody was told of nothing is left; one whose request can be repeated is there when it is."""

    async def test():
        async with opened() as engine:
            longest = await typical(engine)
            for number, after in enumerate(scale.instants(scale.many(8, 300), longest, "create")):
                await given_up(engine.create(new(f"gone{number}")), after)
                await given_up(engine.create(new(f"kept{number}", request_id=f"id{number}")), after)
            while engine._begun:
                await asyncio.wait(engine._begun)
            kept = [f"kept{number}" for number in range(number + 1)]
            # What was told just before somebody went away was told.
            assert set(kept) == {row.name for row in await engine.list("default") if row.name.startswith("kept")}
            again = await engine.create(new("kept0", request_id="id0"))
            assert engine.box("default", "kept0").row.id == again.id
            assert alive() == sorted(row.name for row in await engine.list("default"))
            for row in await engine.list("default"):
                await engine.delete("default", row.name)

    state(test)


def test_clients_that_vanish_while_something_ends(state):
    """What was begun is done: a sandbox is stopped, started, deleted, whoever asked for it stays or goes."""

    async def test():
        async with opened() as engine:
            await typical(engine)
            await engine.create(new("one", "sleep", "1000"))
            for after in scale.instants(scale.many(8, 300), 0.03, "end"):
                await given_up(engine.stop("default", "one"), after)
                await given_up(engine.start("default", "one"), after)
                while engine._begun:
                    await asyncio.wait(engine._begun)
                assert "READY" == engine.box("default", "one").row.phase
                assert 0 == await exit_code(engine, "one", "true")
            await given_up(engine.delete("default", "one"), 0.001)
            while engine._begun:
                await asyncio.wait(engine._begun)
            assert ([], []) == (engine.boxes(), alive())

    state(test)


async def exit_code(engine, name, *argv):
    """Run a program in a sandbox."""
    supervised = await engine.supervised("default", name)
    told = [told async for told in await supervised.start(Program(argv, stdin=False))]
    assert isinstance(told[-1], Ended)
    return told[-1].code


def test_one_request_many_times(state):
    """Requests with one request_id, at once and later, make one sandbox; other requests for its name are refused."""

    async def test():
        async with opened() as engine:
            rows = await asyncio.gather(*(engine.create(new("", request_id="once")) for _ in range(6)))
            assert 1 == len({row.id for row in rows})
            name = rows[0].name
            assert rows[0].id == (await engine.create(new("other", request_id="once"))).id
            with pytest.raises(NameInUse):
                await engine.create(new(name, request_id="twice"))
            assert [name] == alive()
            assert 0 == await exit_code(engine, name, "true")
        async with opened() as engine:
            assert rows[0].id == (await engine.create(new("", request_id="once"))).id

    state(test)


def test_one_name_many_times(state):
    """Of many requests for one name one is granted; the others leave nothing, and that one alone."""

    async def test():
        async with opened() as engine:
            made = await asyncio.gather(*(engine.create(new("same")) for _ in range(6)), return_exceptions=True)
            assert 5 == sum(isinstance(one, NameInUse) for one in made)
            assert ["same"] == alive() == [row.name for row in await engine.list(None)]
            ends = await asyncio.gather(*(engine.delete("default", "same") for _ in range(4)), return_exceptions=True)
            assert 3 == sum(isinstance(one, NoSuchSandbox) for one in ends)
            await engine.create(new("same"))

    state(test)


def test_what_cannot_be_made(state, tmp_path):
    """A refused sandbox leaves nothing, whatever it is refused for; its name can be used at once."""

    async def test():
        async with opened() as engine:
            refused = Policy.from_dict(
                {
                    "version": 1,
                    "landlock": {"compatibility": "hard_requirement"},
                    "filesystem_policy": {"include_workdir": True, "read_only": ["/nowhere/at/all"]},
                }
            )
            with pytest.raises(OpenShellError):
                await engine.create(new("tried", policy=refused))
            with pytest.raises(OpenShellError):
                await engine.create(new("tried", workdir=f"{tmp_path}/nowhere"))
            assert ([], [], []) == (engine.boxes(), alive(), os.listdir(f"{wanting.data_root()}/sandboxes"))
            await engine.create(new("tried"))
            await engine.stop("default", "tried")
            with pytest.raises(NotRunning):
                await engine.supervised("default", "tried")

    state(test)


def test_found_again(state):
    """A new gateway finds a sandbox with its programs, what they wrote, and how those ended that it did not see end."""

    async def test():
        async with opened() as engine:
            await engine.create(new("found", "sh", "-c", "echo main; read word; exit 7"))
            supervised = await engine.supervised("default", "found")
            session = await supervised.start(Program(("sh", "-c", "echo begun; exit 9")))
            session.detach()
        async with opened() as engine:
            supervised = await engine.supervised("default", "found")
            told = [one async for one in await supervised.attach(session.number)]
            assert [Output(1, b"begun\n"), Ended(9, None, timed_out=False)] == told
            main = await supervised.attach()
            await main.write(b"word\n")
            assert Ended(7, None, timed_out=False) == [one async for one in main][-1]
        async with opened() as engine:
            row = engine.box("default", "found").row
            assert ("COMPLETED", 7) == (row.phase, row.exit_code)

    state(test)


def test_workspaces_are_apart(state):
    """A workspace's sandbox is not seen, used or ended from another, by its name, its id or the id of a run of it."""

    async def test():
        async with opened() as engine:
            await engine.store.call(Store.add_workspace, Workspace("other", {}, 1, 1))
            making = asyncio.ensure_future(engine.create(new("theirs", workspace="other")))
            while not making.done():
                assert [] == [row.name for row in await engine.list("default")]
                await asyncio.sleep(0)
            first = making.result()
            await engine.stop("other", "theirs")
            await engine.start("other", "theirs")
            now = engine.box("other", "theirs").row
            for known in ("theirs", first.id, first.run_id, now.run_id):
                for call in (engine.get, engine.stop, engine.start, engine.delete, engine.supervised):
                    with pytest.raises(NoSuchSandbox):
                        await call("default", known)
            assert (["theirs"], "READY") == (alive(), engine.box("other", "theirs").row.phase)

    state(test)


def test_runs_of_others(state):
    """A run that is over is deleted as what it is: the sandbox that has its name now stays."""

    async def test():
        async with opened() as engine:
            over = runs.create("shared", POLICY.source.text, {"command": ["true"]})
            over.close()
            await engine.create(new("shared"))
            await engine.delete("default", over.id)
            assert ["shared"] == alive() == [view.name for view in runs.list_runs()]
            held = runs.create("held", POLICY.source.text, {"command": ["true"]})
            assert {"shared", "held"} == {row.name for row in await engine.list("default")}
            with pytest.raises(PolicyRefused):
                await engine.delete("default", "held")
            held.close()
            await engine.delete("default", "held")  # it is over

    state(test)


def test_ten_thousand_sandboxes(state):
    """A gateway with very many stored sandboxes starts, lists and answers as quickly as its users expect."""

    async def test():
        store = await AsyncStore.open(f"{runs.state_root()}/gateway/store.sqlite")
        count = scale.many(10_000, 50_000)

        def fill(store):
            made = [wanting.row(new(f"many{number}")).replace(phase="STOPPED") for number in range(count)]
            first = [Revision(row.id, 1, "hash", "version: 1\n", "loaded", "", 1, 1, {}) for row in made]
            with store._writing() as connection:
                connection.execute(schema.sandboxes.insert(), [*map(rows.values, made)])
                connection.execute(schema.revisions.insert(), [*map(rows.values, first)])

        await store.call(fill)
        await store.close()
        begin = time.monotonic()
        async with opened() as engine:
            started = time.monotonic() - begin
            begin = time.monotonic()
            assert count == len(await engine.list(None))
            await engine.create(new("one-more"))
            await engine.delete("default", "one-more")
            used = time.monotonic() - begin
            await engine.store.call(empty)
            engine._boxes.clear()
        assert started < count / 1000
        assert used < count / 2000

    def empty(store):
        with store._writing() as connection:
            connection.execute(schema.sandboxes.delete())

    state(test)
