"""Whom a sandbox runs as, as the kernel sees it from inside: never root, with nothing left to become more."""

import grp
import os
import pwd
import shutil
import subprocess

import pytest

from pyopenshell.kernel import namespaces as ns
from tests.confined.landlock.harness import NOBODY, needs_landlock
from tests.confined.launch import world
from tests.confined.whole import callers

pytestmark = needs_landlock

ASK = """
answer = {"uids": os.getresuid(), "gids": os.getresgid(), "groups": os.getgroups()}
answer |= {name: os.environ[name] for name in ("HOME", "USER", "LOGNAME")}
answer["home"] = [os.stat(os.environ["HOME"]).st_uid, os.access(os.environ["HOME"], os.W_OK)]
status = dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines())
answer["status"] = {key: value.strip() for key, value in status.items()}
"""
DAEMON = pwd.getpwnam("daemon")
PERSON = pwd.getpwuid(NOBODY)
CAPABILITIES = ("CapInh", "CapPrm", "CapEff", "CapAmb")


def without_account():
    """Skip the test where an account named sandbox comes before the working folder's owner."""
    try:
        pwd.getpwnam("sandbox")
    except KeyError:
        return
    pytest.skip("needs: no account named sandbox")


def own_file(root, path, text):
    """Return a ``preexec_fn`` that puts a text over a file of the system, for the command alone."""
    file = root.folder / os.path.basename(path)
    file.write_text(text)
    file.chmod(0o644)
    return callers.in_own_mounts(lambda: ns.mount(str(file), path, None, ns.MS_BIND, None))


def ids(told):
    """Return the uid and the gid of an answer; real, effective and saved ones must be the same."""
    (uid,), (gid,) = set(told["uids"]), set(told["gids"])
    return uid, gid


@pytest.mark.parametrize(
    ("owner", "expected", "name"),
    [
        ((PERSON.pw_uid, PERSON.pw_gid), (PERSON.pw_uid, PERSON.pw_gid), PERSON.pw_name),
        ((DAEMON.pw_uid, PERSON.pw_gid), (DAEMON.pw_uid, DAEMON.pw_gid), "daemon"),
        ((54321, 54322), (54321, 54322), "sandbox"),
        ((54321, 0), (54321, 54321), "sandbox"),
    ],
)
def test_root_becomes_the_working_folders_owner(root, owner, expected, name):
    """Its account where it has one, else the folder's group; HOME, USER and LOGNAME fit, and HOME can be written."""
    without_account()
    os.chown(root.workdir, *owner)
    told = root.ask(ASK, "-n", "owner")
    assert expected == ids(told)
    assert (name, name, [expected[0], True]) == (told["USER"], told["LOGNAME"], told["home"])
    identity = root.record("owner").effective["identity"]
    assert ("workdir owner", *expected) == (identity["source"], identity["uid"], identity["gid"])
    assert set(told["groups"]) | {expected[1]} == set(identity["groups"]) | {expected[1]}


@pytest.mark.parametrize("user", ["daemon", str(DAEMON.pw_uid)])
@pytest.mark.parametrize("group", [None, grp.getgrgid(PERSON.pw_gid).gr_name, str(PERSON.pw_gid)])
def test_root_becomes_whom_the_policy_names(root, user, group):
    """Names and numbers mean the same, for the user and for the group; without a group it is the account's."""
    os.chown(root.workdir, DAEMON.pw_uid, -1)
    process = {"run_as_user": user} | ({"run_as_group": group} if group else {})
    told = root.ask(ASK, "-n", "named", policy=world.policy(process=process))
    assert (DAEMON.pw_uid, PERSON.pw_gid if group else DAEMON.pw_gid) == ids(told)
    assert ("daemon", "daemon") == (told["USER"], told["LOGNAME"])
    assert "policy" == root.record("named").effective["identity"]["source"]


def test_supplementary_groups_are_the_accounts_without_root(root):
    """An account that is in a group and in root's group takes the first along, never the second."""
    entries = [f"{g.gr_name}:x:{g.gr_gid}:{'daemon' if g.gr_gid == 0 else ''}\n" for g in grp.getgrall()]
    bind = own_file(root, "/etc/group", "".join(entries) + "openshell-test:x:54323:daemon\n")
    os.chown(root.workdir, DAEMON.pw_uid, -1)
    policy = world.policy(process={"run_as_user": "daemon"})
    done = root.run("--", "id", "-G", policy=policy, preexec_fn=bind)
    assert (0, {str(DAEMON.pw_gid), "54323"}) == (done.returncode, set(done.stdout.split()))


@pytest.mark.parametrize(
    ("key", "value"),
    [("run_as_user", "root"), ("run_as_user", "0"), ("run_as_user", "00"), ("run_as_group", "root")],
)
def test_never_root(root, key, value):
    """Neither uid 0 nor gid 0, by name or by number: such a policy is not valid."""
    error = callers.refused(root, policy=world.policy(process={key: value}))
    assert "policy.invalid" == error["code"]
    assert f"process.{key}: a sandbox never runs as " in error["message"]


@pytest.mark.parametrize(("line", "kind"), [("toor:x:0:54321::/:/bin/sh", "uid"), ("toor:x:54321:0::/:/bin/sh", "gid")])
def test_never_root_by_another_name(root, line, kind):
    """An account that is root, or whose group is root's, is refused by its numbers."""
    bind = own_file(root, "/etc/passwd", f"{line}\n")
    error = callers.refused(root, policy=world.policy(process={"run_as_user": "toor"}), preexec_fn=bind)
    assert ("identity.root", f"a sandbox never runs with {kind} 0") == (error["code"], error["message"])


@pytest.mark.kernels
def test_nothing_is_left_to_become_more(anyone):
    """Every set of capabilities is empty, no_new_privs is set, a filter is installed; the receipt says the same."""
    told = anyone.ask(ASK, "-n", "bare")
    status = told["status"]
    names = [*CAPABILITIES, *([] if isinstance(anyone, callers.AsUser) else ["CapBnd"])]  # a user's bounds nobody
    assert dict.fromkeys(names, "0" * 16) == {name: status[name] for name in names}
    assert ("1", "2") == (status["NoNewPrivs"], status["Seccomp"])
    assert 0 not in {*told["uids"], *told["gids"], *told["groups"]}
    said = anyone.record("bare").receipt["credentials"]
    assert (*ids(told), "0" * 16, True) == (said["uid"], said["gid"], said["capabilities"], said["no_new_privs"])


def test_set_uid_programs_gain_nothing(root):
    """A set-uid root copy of id says uid 0 to the same user outside, and not inside."""
    program = root.workdir / "id"
    shutil.copy(shutil.which("id") or "", program)
    program.chmod(0o4755)
    os.chown(root.workdir, NOBODY, -1)
    if "0" != subprocess.check_output([program, "-u"], text=True, **callers.USER).strip():
        pytest.skip("needs: set-uid programs under the folder for temporary files")
    done = root.run("--", program, "-u")
    assert (0, root.workdir.stat().st_uid) == (done.returncode, int(done.stdout))


@pytest.mark.parametrize(("key", "kind"), [("run_as_user", "user"), ("run_as_group", "group")])
def test_an_ordinary_user_cannot_become_another(user, key, kind):
    """The refusal names the key, whom it asks for, and who started the command."""
    error = callers.refused(user, policy=world.policy(process={key: "54321"}))
    own = NOBODY if world.IS_ROOT else os.getuid() if kind == "user" else os.getgid()
    assert f"process.{key} is {kind} 54321, but openshell was started by {kind} {own}" == error["message"]
    assert f"remove process.{key}" in error["hint"]


def test_an_ordinary_user_stays_itself(user):
    """The sandbox runs as the caller, in the caller's groups."""
    told = user.ask(ASK, "-n", "same")
    expected = (NOBODY, NOBODY) if world.IS_ROOT else (os.getuid(), os.getgid())
    assert (expected, "caller") == (ids(told), user.record("same").effective["identity"]["source"])
