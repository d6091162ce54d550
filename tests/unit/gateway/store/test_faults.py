"""What a disk, other processes and the end of this one do to a store: a clear error, and nothing lost."""

import os
import random
import signal
import sqlite3
import time
from pathlib import Path

import pytest

from pyopenshell.errors import StateError
from pyopenshell.gateway.store import Store, sqlite
from tests.unit.gateway.store.harness import revision, sandbox, start, with_mounts

ROUNDS = 60 if os.environ.get("OPENSHELL_TORTURE") == "full" else 6


def test_who_may_read_it(path, store):
    """The folder and every file in it are their owner's alone, an existing file too."""
    store.add_sandbox(sandbox(), revision())
    folder = Path(path).parent
    assert {0o600} == {one.stat().st_mode & 0o777 for one in folder.iterdir()}
    assert 0o700 == folder.stat().st_mode & 0o777
    store.close()
    Path(path).chmod(0o644)
    Store.open(path).close()
    assert 0o600 == Path(path).stat().st_mode & 0o777


@pytest.mark.parametrize("name", ["a?mode=memory", "per%20cent #1", "grün", ":memory:"])
def test_any_name_of_a_file(tmp_path, name):
    """A path is a path and nothing else."""
    path = f"{tmp_path}/{name}/{name}"
    Store.open(path).close()
    assert [name] == os.listdir(f"{tmp_path}/{name}")


def test_a_link_in_its_place(path, tmp_path):
    """It is not followed."""
    os.makedirs(os.path.dirname(path), 0o700)
    os.symlink(tmp_path / "elsewhere", path)
    with pytest.raises(StateError, match="is no file"):
        Store.open(path)


def test_a_commit_is_on_the_disk_before_it_is_acknowledged(store):
    """What the store asks of SQLite is what SQLite says it does."""
    with store._engine.connect() as connection:
        told = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "secure_delete", "busy_timeout")
        ]
    assert ["wal", 2, 1, 1, 5000] == told


def test_a_file_that_is_no_database(path, store):
    """It is refused, and left as it is."""
    store.close()
    Path(path).write_bytes(b"not a database at all " * 500)
    with pytest.raises(StateError, match="is damaged, or is no database") as told:
        Store.open(path)
    assert "keep the file" in str(told.value.hint)
    assert Path(path).read_bytes().startswith(b"not a database at all")


def test_a_damaged_file(path, store):
    """Wherever it is damaged: it is refused, or what is read is as it was stored."""
    for number in range(20):
        store.add_sandbox(sandbox(f"s{number}"), revision(f"s{number}"))
    expected = store.sandboxes()
    store.close()
    whole = Path(path).read_bytes()
    refused = 0
    for page in range(0, len(whole), 4096):
        Path(path).write_bytes(whole[:page] + b"\xaa" * 4096 + whole[page + 4096 :])
        try:
            opened = Store.open(path)
        except StateError:
            refused += 1
        else:
            assert expected == opened.sandboxes()
            opened.close()
    assert refused > len(whole) / 4096 / 2
    Path(path).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(StateError, match="damaged"):
        Store.open(path)


def test_values_that_are_not_ours(path, store):
    """A field that something else wrote over is an error of the store, not of Python."""
    store.add_sandbox(sandbox(), revision())
    with store._writer.begin() as connection:
        connection.exec_driver_sql("UPDATE sandboxes SET labels = 'no json'")
    with pytest.raises(StateError, match="damaged"):
        store.sandboxes()


def test_locked_by_another(path, store, monkeypatch):
    """Who waits long enough is told; what can be read still is. Then all goes on."""
    store.close()
    monkeypatch.setattr(sqlite, "PATIENCE", 0.05)
    store = Store.open(path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StateError, match=r"another process has held the store .* locked") as told:
        store.add_sandbox(sandbox(), revision())
    assert ("lslocks" in str(told.value.hint), []) == (True, store.sandboxes())
    other.execute("ROLLBACK")
    other.close()
    assert sandbox() == store.add_sandbox(sandbox(), revision())
    store.close()


def test_a_new_file_that_another_opens_too(path, monkeypatch):
    """SQLite itself does not wait for others while it begins to keep a log; the store does."""
    Path(path).parent.mkdir(0o700)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    waited = []
    monkeypatch.setattr(time, "sleep", lambda _: waited.append(other.execute("ROLLBACK")))
    Store.open(path).close()
    assert 1 == len(waited)
    other.close()


def test_a_copy_made_while_it_is_used(path, store):
    """SQLite's own copy is whole while a store is open, and can take its place (docs/gateway-store.md)."""
    store.add_sandbox(sandbox(), revision())
    here, copy = sqlite3.connect(path), sqlite3.connect(f"{path}.copy")
    here.backup(copy)
    here.close()
    copy.close()
    store.remove_sandbox("one")
    store.close()
    os.rename(f"{path}.copy", path)
    again = Store.open(path)
    assert ([sandbox()], [revision()]) == (again.sandboxes(), again.revisions("one"))
    again.close()


def test_read_only(path, store, tmp_path):
    """On a read-only file system there is one clear error, with a store and without one."""
    store.close()
    script = """
for path in sys.argv[1:]:
    try:
        Store.open(path)
    except Exception as error:
        print(type(error).__name__, error)
"""
    mounts = f"mount --bind {tmp_path} {tmp_path} && mount -o remount,bind,ro {tmp_path}"
    told = with_mounts(mounts, script, path, f"{path}.new", f"{tmp_path}/new/store.db")
    assert [
        f"StateError cannot write to the store {path}: unable to open database file",
        f"StateError cannot use the state folder {path}.new: Read-only file system",
        f"StateError cannot use the state folder {tmp_path}/new/store.db: Read-only file system",
    ] == told


def test_a_full_disk(tmp_path):
    """What was acknowledged stays; what does not fit is one clear error; with room again, the same store goes on."""
    script = """
import os, shutil
store = Store.open(f"{sys.argv[1]}/gateway/store.db")
room = f"{sys.argv[1]}/room"
with open(room, "wb") as file:
    file.write(bytes(100_000))
kept = []
try:
    for number in range(10_000):
        id_ = f"s{number}"
        store.add_sandbox(sandbox(id_, spec=bytes(5000)), revision(id_))
        kept.append(id_)
except Exception as error:
    print(type(error).__name__, error.message)
print(len(kept) > 10, sorted(kept) == sorted(one.id for one in store.sandboxes()))
try:
    store.update_sandbox("s0", spec=bytes(20_000))
except Exception as error:
    print(type(error).__name__, error.message)
os.unlink(room)
print(store.add_sandbox(sandbox("again"), revision("again")).id)
store.close()
store = Store.open(f"{sys.argv[1]}/gateway/store.db")
print(sorted([*kept, "again"]) == sorted(one.id for one in store.sandboxes()))
"""
    full = f"StateError no room is left on the disk of the store {tmp_path}/gateway/store.db"
    told = with_mounts(f"mount -t tmpfs -o size=700k none {tmp_path}", script, tmp_path)
    assert [full, "True True", full, "again", "True"] == told


def test_no_room_for_a_new_one(tmp_path):
    """However little room there is for the first tables: one clear error, and the next try begins anew."""
    script = """
import os
from pyopenshell.errors import StateError
for pages in range(120):
    with open(f"{sys.argv[1]}/room", "wb") as file:
        file.write(bytes(4096 * (120 - pages)))
    try:
        Store.open(f"{sys.argv[1]}/gateway/store.db").close()
        break
    except StateError:
        pass
print(pages > 20, len(Store.open(f"{sys.argv[1]}/gateway/store.db").workspaces()))
"""
    assert ["True 1"] == with_mounts(f"mount -t tmpfs -o size=520k none {tmp_path}", script, tmp_path)


def test_killed_at_any_instant(path):
    """What a killed process acknowledged is there, and no transaction of it by half."""
    script = """
store = Store.open(sys.argv[1])
for number in range(100_000):
    id_ = f"{sys.argv[2]}-{number}"
    store.add_sandbox(sandbox(id_, policy_version=1), revision(id_, 1, "loaded"))
    store.add_revision(revision(id_, 2, "loaded"))
    print(id_, flush=True)
"""
    instants = random.Random(7)
    acknowledged = set()
    for number in range(ROUNDS):
        process = start(script, path, number)
        for _ in range(instants.randrange(60)):
            acknowledged.add(process.stdout.readline().strip())
        process.send_signal(signal.SIGKILL)
        acknowledged.update(process.stdout.read().split())  # before its death, it got that far
        process.communicate()
        store = Store.open(path)
        stored = {one.id: one.policy_version for one in store.sandboxes()}
        assert acknowledged <= {id_ for id_, version in stored.items() if version == 2}
        for id_, version in stored.items():
            loaded = [one.version for one in store.revisions(id_) if one.status == "loaded"]
            assert [version] == loaded
        store.close()


def test_two_processes(path):
    """Two that open a new store at once and write to it take turns: neither fails, nothing is lost."""
    script = """
sys.stdin.read(1)
store = Store.open(sys.argv[1])
for number in range(30):
    id_ = f"{sys.argv[2]}-{number}"
    store.add_sandbox(sandbox(id_), revision(id_))
    store.update_sandbox(id_, phase="READY")
store.close()
"""
    processes = [start(script, path, number) for number in range(3)]
    for process in processes:
        process.stdin.write("x")
        process.stdin.flush()
    for process in processes:
        process.communicate(timeout=60)
    assert [0, 0, 0] == [process.returncode for process in processes]
    store = Store.open(path)
    assert (90, {2}) == (len(store.sandboxes()), {one.resource_version for one in store.sandboxes()})
    store.close()
