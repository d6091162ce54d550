"""Whom a sandbox runs as: real accounts, real ids, each change of ids in a child."""

import fcntl
import grp
import marshal
import os
import pwd
from collections.abc import Callable
from typing import Any

import pytest

from pyopenshell.errors import IdentityError, StateError
from pyopenshell.kernel import namespaces, process
from pyopenshell.launch import dynamic_id, identity
from pyopenshell.policy.model import Policy, ProcessPolicy, Source

NOBODY = pwd.getpwnam("nobody")
DAEMON = pwd.getpwnam("daemon")
FREE = 54321
"""An id without account and group."""

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: chooses other identities")


def policy(user: str | None = None, group: str | None = None) -> Policy:
    """Return a policy that asks for this user and group."""
    return Policy(Source("p.yaml", "", ""), {}, process=ProcessPolicy(user, group))


def in_child(change: Callable[[], object], action: Callable[[], Any]) -> Any:
    """Run both in a child; return what the action returns, or code, message and hint of its IdentityError."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            change()
            try:
                result = action()
            except IdentityError as error:
                result = [error.code, error.message, error.hint]
            os.write(write, marshal.dumps(result))
        finally:
            os._exit(0)
    os.close(write)
    with open(read, "rb") as pipe:
        answer = pipe.read()
    os.waitpid(pid, 0)
    assert answer, "the child died"
    return marshal.loads(answer)


@pytest.fixture
def workdir(tmp_path):
    """A working directory of root, and locks of our own."""
    return str(tmp_path)


@pytest.fixture(autouse=True)
def locks(tmp_path_factory, monkeypatch):
    """Lock dynamic ids in a folder of the test, and do without an account named sandbox."""
    folder = tmp_path_factory.mktemp("run") / "systemd" / "dynamic-uid"
    monkeypatch.setattr(dynamic_id, "LOCKS", str(folder))
    monkeypatch.setattr(identity, "ACCOUNT", "no-such-account")
    return folder


# --- as an ordinary user


def as_user(uid: int, gid: int, groups: tuple[int, ...] = ()) -> Callable[[], None]:
    """Become this user, where we are root; an ordinary user stays what it is."""
    return lambda: process.set_ids(uid, gid, groups) if os.geteuid() == 0 else None


def test_an_ordinary_user_stays_that_user(workdir):
    """With its groups, its name and its home, and without a lock."""

    def resolve() -> Any:
        found, lock = identity.resolve(policy(), workdir, "demo")
        own = (os.geteuid(), os.getegid(), tuple(sorted(os.getgroups())))
        return [
            (found.uid, found.gid, found.groups) == own,
            found.source,
            lock,
            found.user == pwd.getpwuid(own[0]).pw_name,
        ]

    assert [True, "caller", None, True] == in_child(as_user(NOBODY.pw_uid, NOBODY.pw_gid, (DAEMON.pw_gid,)), resolve)


def test_an_ordinary_user_may_be_named_in_the_policy(workdir):
    """By name or by number, as long as it is the same."""

    def resolve() -> Any:
        uid, gid = os.geteuid(), os.getegid()
        entries = [(pwd.getpwuid(uid).pw_name, grp.getgrgid(gid).gr_name), (str(uid), str(gid))]
        return [identity.resolve(policy(*entry), workdir, "demo")[0].uid == uid for entry in entries]

    assert [True, True] == in_child(as_user(NOBODY.pw_uid, NOBODY.pw_gid), resolve)


@pytest.mark.parametrize(("user", "group", "key"), [("sys", None, "run_as_user"), (None, "sys", "run_as_group")])
def test_an_ordinary_user_cannot_become_another(workdir, user, group, key):
    """The error says what the policy asks for, and both ways out."""
    answer = in_child(
        as_user(NOBODY.pw_uid, NOBODY.pw_gid),
        lambda: identity.resolve(policy(user, group), workdir, "demo"),
    )
    code, message, hint = answer
    assert "identity" == code
    assert f"process.{key} is" in message
    assert "as root" in hint
    assert f"remove process.{key}" in hint


@root_only
def test_a_set_uid_start_is_refused(workdir):
    """With root among its ids a sandboxed program could become root again."""
    _code, message, _hint = in_child(
        lambda: os.setresuid(NOBODY.pw_uid, NOBODY.pw_uid, 0), lambda: identity.resolve(policy(), workdir, "demo")
    )
    assert "set-uid" in message


# --- as root


@root_only
def test_the_policys_user_comes_first(workdir):
    """With the account's own group, groups, home and name; a shell that refuses logins is none."""
    os.chown(workdir, NOBODY.pw_uid, -1)
    found, lock = identity.resolve(policy("daemon"), workdir, "demo")
    groups = tuple(sorted(set(os.getgrouplist("daemon", DAEMON.pw_gid)) - {0}))
    assert (DAEMON.pw_uid, DAEMON.pw_gid, groups, "policy") == (found.uid, found.gid, found.groups, found.source)
    assert ("daemon", DAEMON.pw_dir, "/bin/sh", None) == (found.user, found.home, found.shell, lock)


@root_only
def test_roots_group_is_not_among_the_groups(workdir, monkeypatch):
    """Even for an account that is a member of it."""
    monkeypatch.setattr(os, "getgrouplist", lambda _name, gid: [gid, 0, 4])
    assert tuple(sorted({4, DAEMON.pw_gid})) == identity.resolve(policy("daemon"), workdir, "demo")[0].groups


@root_only
def test_numbers_need_no_account(workdir):
    """The group is the same number, USER is nobody else's name, HOME is somewhere harmless."""
    found, _ = identity.resolve(policy(str(FREE)), workdir, "demo")
    assert (FREE, FREE, (), "/", "no-such-account") == (found.uid, found.gid, found.groups, found.home, found.user)


@root_only
def test_a_number_with_an_account_is_that_account(workdir):
    """So its name and home fit."""
    assert "daemon" == identity.resolve(policy(str(DAEMON.pw_uid)), workdir, "demo")[0].user


@root_only
def test_user_is_never_anothers_name(workdir, monkeypatch):
    """An id without an account is not called like an account that has another id."""
    monkeypatch.setattr(identity, "ACCOUNT", "daemon")
    assert f"daemon-{FREE}" == identity.resolve(policy(str(FREE)), workdir, "demo")[0].user


@root_only
def test_the_policys_group_replaces_the_accounts(workdir):
    """By name or by number."""
    tty = grp.getgrnam("tty").gr_gid
    assert [tty, FREE] == [identity.resolve(policy("daemon", g), workdir, "demo")[0].gid for g in ("tty", str(FREE))]


@root_only
def test_then_the_sandbox_account(workdir, monkeypatch):
    """It goes before the owner of the working directory."""
    monkeypatch.setattr(identity, "ACCOUNT", "daemon")
    os.chown(workdir, NOBODY.pw_uid, -1)
    found, _ = identity.resolve(policy(), workdir, "demo")
    assert (DAEMON.pw_uid, "account") == (found.uid, found.source)


@root_only
@pytest.mark.parametrize(("gid", "expected"), [(0, FREE), (FREE + 1, FREE + 1)])
def test_then_the_owner_of_the_working_directory(workdir, gid, expected):
    """An owner without an account takes the folder's group, unless that is root's."""
    os.chown(workdir, FREE, gid)
    found, _ = identity.resolve(policy(), workdir, "demo")
    assert (FREE, expected, "workdir owner") == (found.uid, found.gid, found.source)


@root_only
@pytest.mark.parametrize(
    ("user", "group", "code", "words"),
    [
        ("root", None, "identity.root", "uid 0"),
        ("0", None, "identity.root", "uid 0"),
        ("daemon", "root", "identity.root", "gid 0"),
        ("deamon", None, "identity.unknown-user", "daemon"),
        ("x\0y", None, "identity.unknown-user", "user"),
        ("\ud800", None, "identity.unknown-user", "user"),
        (None, "dameon", "identity.unknown-group", "daemon"),
        ("4294967295", None, "identity", "4294967294"),
        ("9" * 5000, None, "identity", "4294967294"),
    ],
)
def test_what_cannot_be(workdir, user, group, code, words):
    """Root never; a name that does not exist is answered with its neighbours."""
    with pytest.raises(IdentityError) as caught:
        identity.resolve(policy(user, group), workdir, "demo")
    assert code == caught.value.code
    assert words in f"{caught.value.message} {caught.value.hint}"


@root_only
def test_an_unknown_name_says_in_which_file(workdir):
    """The policy file is named, because the mistake is in it."""
    with pytest.raises(IdentityError) as caught:
        identity.resolve(policy("deamon"), workdir, "demo")
    assert "p.yaml" == caught.value.place


@root_only
def test_a_number_whose_group_is_someone_elses_needs_a_group(workdir):
    """Otherwise the sandbox would silently get that group's rights."""
    gid = next(g.gr_gid for g in grp.getgrall() if g.gr_gid and not _account(g.gr_gid))
    with pytest.raises(IdentityError, match="no account to take a group from"):
        identity.resolve(policy(str(gid)), workdir, "demo")
    assert gid == identity.resolve(policy(str(gid), str(FREE)), workdir, "demo")[0].uid


def _account(uid: int) -> bool:
    return any(entry.pw_uid == uid for entry in pwd.getpwall())


@root_only
def test_a_missing_working_directory_is_an_error_of_its_own(workdir):
    """Not a traceback."""
    with pytest.raises(IdentityError, match="cannot tell whose"):
        identity.resolve(policy(), f"{workdir}/missing", "demo")


@root_only
def test_root_without_capabilities_is_refused_clearly(workdir):
    """As in a container that dropped them."""
    answer = in_child(process.drop_capabilities, lambda: identity.resolve(policy("daemon"), workdir, "demo"))
    assert "root without CAP_SETUID and CAP_SETGID" in answer[1]


def only_root() -> None:
    """Enter a user namespace that has no ids but root's."""
    namespaces.unshare(namespaces.CLONE_NEWUSER)
    for name, text in (("setgroups", "deny"), ("uid_map", "0 0 1"), ("gid_map", "0 0 1")):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
            file.write(text)


@root_only
def test_an_id_outside_the_user_namespace_is_refused_clearly(workdir):
    """Rather than by the kernel, half-way through the launch."""
    answer = in_child(only_root, lambda: identity.resolve(policy("daemon"), workdir, "demo"))
    assert "does not exist in this user namespace, which has only 0-0" in answer[1]


@root_only
def test_a_dynamic_id_that_is_refused_is_given_back(workdir):
    """So the lock is free for the next attempt in the same process."""

    def twice() -> list[int]:
        before, lock = dynamic_id.take("demo", None)
        os.close(lock)
        with pytest.raises(IdentityError, match="does not exist"):
            identity.resolve(policy(), workdir, "demo")
        return [before, dynamic_id.take("demo", None)[0]]

    before, after = in_child(only_root, twice)
    assert before == after


# --- dynamic ids


@root_only
def test_last_a_dynamic_id_locked_as_systemd_does(workdir, locks):
    """The lock file has the name in it, only root can read it, and a second lock fails."""
    found, lock = identity.resolve(policy(), workdir, "demo")
    file = locks / str(found.uid)
    assert found.uid in dynamic_id.DYNAMIC
    assert (found.uid, (), "dynamic", "demo\n") == (found.gid, found.groups, found.source, file.read_text())
    assert 0o600 == file.stat().st_mode & 0o777
    assert lock is not None
    assert not os.get_inheritable(lock)
    with file.open() as other, pytest.raises(BlockingIOError):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(lock)


def test_the_same_name_points_to_the_same_id(locks):
    """Even without a record; while the id is locked, the next one is taken."""
    first, lock = dynamic_id.take("demo", None)
    second, other = dynamic_id.take("demo", None)
    os.close(lock)
    third, lock = dynamic_id.take("demo", None)
    assert (first, first + 1) == (third, second)
    os.close(lock)
    os.close(other)


def test_an_id_is_kept_for_its_name(locks, tmp_path):
    """A record wins over the hash, and nobody else gets the id while its owner is away."""
    ids = tmp_path / "state" / "ids"
    hashed, lock = dynamic_id.take("demo", str(ids))
    os.close(lock)
    assert (f"{hashed}\n", 0o700) == ((ids / "demo").read_text(), ids.stat().st_mode & 0o777)
    (ids / "demo").rename(ids / "other")
    moved, lock = dynamic_id.take("demo", str(ids))
    os.close(lock)
    (ids / "other").unlink()
    again, lock = dynamic_id.take("demo", str(ids))
    os.close(lock)
    assert (hashed + 1, hashed + 1) == (moved, again)
    assert ["demo"] == os.listdir(ids)


def test_when_every_id_is_kept_for_someone_the_idle_ones_are_shared(locks, tmp_path, monkeypatch):
    """Running sandboxes never share, and when all ids are locked the error says so."""
    monkeypatch.setattr(dynamic_id, "DYNAMIC", range(61184, 61186))
    taken = [dynamic_id.take(name, str(tmp_path)) for name in ("a", "b")]
    assert {61184, 61185} == {uid for uid, _ in taken}
    with pytest.raises(IdentityError, match="every dynamic id"):
        dynamic_id.take("c", str(tmp_path))
    os.close(taken[0][1])
    uid, lock = dynamic_id.take("c", str(tmp_path))
    assert taken[0][0] == uid
    os.close(lock)
    os.close(taken[1][1])


@pytest.mark.parametrize("junk", ["", "root\n", "0\n", "99999999999999999999\n"])
def test_a_damaged_record_is_no_record(locks, tmp_path, junk):
    """It is written anew, and never makes an id out of range."""
    (tmp_path / "demo").write_text(junk)
    uid, lock = dynamic_id.take("demo", str(tmp_path))
    os.close(lock)
    assert f"{uid}\n" == (tmp_path / "demo").read_text()


def test_ids_with_an_account_or_group_are_passed_over(locks, monkeypatch):
    """Dynamic means that nobody else has it."""
    taken = {NOBODY.pw_uid, NOBODY.pw_gid}
    monkeypatch.setattr(dynamic_id, "DYNAMIC", range(65534, 65536))
    uid, lock = dynamic_id.take("demo", None)
    os.close(lock)
    assert taken == {65534}
    assert 65535 == uid


def test_a_lock_file_removed_meanwhile_is_no_lock(locks, monkeypatch):
    """Between our open and our lock its owner may remove the file: then the next opener would lock another one."""
    real = os.open
    stale: list[int] = []

    def open_and_lose(path, *args, **options):
        fd = real(path, *args, **options)
        if not stale:
            stale.append(fd)
            os.unlink(path)
        return fd

    locks.mkdir(parents=True)
    monkeypatch.setattr(os, "open", open_and_lose)
    uid, lock = dynamic_id.take("demo", None)
    assert os.stat(locks / str(uid)).st_ino == os.fstat(lock).st_ino
    os.close(lock)


def test_a_link_in_place_of_a_lock_is_not_followed(locks, tmp_path):
    """Whoever could plant it would choose the file we write to."""
    locks.mkdir(parents=True)
    uid, lock = dynamic_id.take("demo", None)
    os.close(lock)
    (locks / str(uid)).unlink()
    (locks / str(uid)).symlink_to(tmp_path / "victim")
    with pytest.raises(IdentityError, match="cannot lock a dynamic id"):
        dynamic_id.take("demo", None)
    assert [] == os.listdir(tmp_path)


def test_a_state_folder_that_cannot_be_used_is_said(locks, tmp_path):
    """Whether it cannot be read or cannot be written."""
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "ids"):
        with pytest.raises(StateError, match="cannot keep the sandbox's id"):
            dynamic_id.take("demo", str(folder))
