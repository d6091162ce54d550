"""``why``: the decision, the grants that make it, and what to write in the policy instead."""

import errno

import pytest

from pyopenshell.effective.settle import Outcome, settle
from pyopenshell.effective.why import UNRESTRICTED, WANTS, why
from tests.unit.effective.cases import USUAL, World, composed

EFFECTIVE = composed(read_only=["/data"], read_write=["/data/set", "/dev/nvidia0"], include_workdir=True)


def ask(path, wants, effective=EFFECTIVE, modes_errno=0, resolve=USUAL.resolve):
    return why(effective, path, wants, resolve, modes_errno)


@pytest.mark.parametrize(
    ("path", "wants", "allowed"),
    [
        ("/data", "list", True),
        ("/data", "read", True),
        ("/data", "write", False),
        ("/data/set", "write", True),
        ("/data/set/new", "create", True),
        ("/data/set/new", "write", True),
        ("/data/new", "create", False),
        ("/data/set", "delete", False),
        ("/etc/hosts", "read", True),
        ("/etc/hosts", "write", False),
        ("/etc/hosts", "delete", False),
        ("/usr/bin/python3.11", "execute", True),
        ("/bin/python3.11", "execute", True),
        ("/dev/nvidia0", "ioctl", True),
        ("/dev/null", "write", True),
        ("/dev/null", "ioctl", False),
        ("/dev/sda", "read", False),
        ("/", "list", False),
        ("/home/me/project/src", "delete", True),
        ("/home/me", "list", False),
    ],
)
def test_decisions(path, wants, allowed):
    """A table of paths and wishes; denials are EACCES."""
    answer = ask(path, wants)
    assert (allowed, 0 if allowed else errno.EACCES) == (answer.allowed, answer.errno)


def test_the_deciding_grants_are_named():
    """All that give the right, innermost first."""
    assert ["declared/read_write:/data/set", "declared/read_only:/data"] == [
        grant.id for grant in ask("/data/set", "list").grants
    ]


def test_rights_add_up_along_the_path():
    """One right from an outer grant, another from an inner one: Landlock allows what together they give."""
    answer = ask("/data/set/x", "create")
    assert ("/data/set", ("make_reg", "write_file")) == (answer.subject, answer.needed)
    assert answer.allowed


def test_grants_that_do_not_suffice_are_explained():
    """The nearest ones, with what they do give."""
    text = " ".join(ask("/data", "write").explanation)
    assert "/data (declared) gives only execute, read_file, read_dir." in text


@pytest.mark.parametrize(
    ("path", "wants", "advice"),
    [
        ("/data", "write", "move /data from filesystem_policy.read_only (line 10) to read_write"),
        ("/data/new", "create", "move /data from filesystem_policy.read_only (line 10) to read_write"),
        ("/home/me", "list", "add /home/me to filesystem_policy.read_only"),
        ("/etc/hosts", "write", "add /etc/hosts to filesystem_policy.read_write"),
        ("/new", "create", "nothing grants this: the root folder is never writable"),
        ("/etc/hosts", "read", None),
    ],
)
def test_advice(path, wants, advice):
    """The narrowest words that would allow it."""
    assert advice == ask(path, wants).advice


def test_advice_beneath_a_declared_read_only_folder():
    """The folder may stay as it is."""
    answer = ask("/data/set", "write", composed(read_only=["/data"]))
    expected = "add /data/set to filesystem_policy.read_write; /data may stay in read_only (line 10)"
    assert expected == answer.advice


def test_file_modes_have_their_say():
    """Landlock allows, the modes do not; asked of neither, the answer says so."""
    denied = ask("/etc/hosts", "read", modes_errno=errno.EACCES)
    assert (False, errno.EACCES) == (denied.allowed, denied.errno)
    assert any("File modes deny" in line for line in denied.explanation)
    assert any("were not asked" in line for line in ask("/etc/hosts", "read", modes_errno=None).explanation)


def test_links_are_answered_at_their_target():
    """A link into granted ground is allowed, one out of it is not."""
    world = World(folders=["/data", "/other", "/home/me/project"]).link("/in", "/data").link("/data/out", "/other")
    effective = composed(read_only=["/data"], resolve=world.resolve)
    assert ask("/in", "list", effective, resolve=world.resolve).allowed
    answer = ask("/data/out", "list", effective, resolve=world.resolve)
    assert (False, "/other") == (answer.allowed, answer.resolved)


def test_a_missing_path():
    """Reading answers what the file system would."""
    answer = ask("/data/none", "read")
    assert (False, errno.ENOENT) == (answer.allowed, answer.errno)


def test_what_came_of_the_launch_counts():
    """After it, only what the kernel accepted; a right the kernel does not restrict needs no grant."""
    after = settle(EFFECTIVE, {"declared/read_only:/data": Outcome(("read_dir",))})
    assert ask("/data", "list", after).allowed
    assert not ask("/etc/hosts", "read", after).allowed
    unhandled = after.replace(landlock=after.landlock.replace(handled=()))
    answer = ask("/etc/hosts", "read", unhandled)
    assert answer.allowed
    assert any("does not restrict read_file" in line for line in answer.explanation)


def test_what_landlock_does_not_restrict_is_always_said():
    """Nothing is claimed about stat and the like."""
    assert all(UNRESTRICTED in ask("/data", wants).explanation for wants in WANTS)


def test_a_brokered_file_is_allowed_to_its_own_process():
    """Where a broker serves it, and only for writing; the grant that decides is the broker's."""
    own = "/proc/self/task/1/comm"
    answer = why(composed(gpu=0), own, "write", USUAL.resolve, brokered=True)
    assert (True, 0, ("write_file",)) == (answer.allowed, answer.errno, answer.needed)
    assert ["broker"] == [grant.mechanism for grant in answer.grants]
    assert not ask("/proc/self/comm", "write", composed(gpu=0)).allowed


@pytest.mark.parametrize("fields", [{}, {"gpu": 0, "cuda_thread_names": "off"}])
def test_without_a_broker_the_advice_is_to_ask_for_a_gpu(fields):
    """Nobody should make a folder of procfs writable for this."""
    answer = why(composed(**fields), "/proc/self/task/1/comm", "write", USUAL.resolve, brokered=True)
    assert (False, errno.EACCES) == (answer.allowed, answer.errno)
    assert "--gpu" in (answer.advice or "")


def test_an_unknown_wish_is_an_error():
    """The caller's mistake."""
    with pytest.raises(ValueError, match="'touch' is none of read, write"):
        ask("/data", "touch")
