"""What is tried, and what is expected of it, from the report alone."""

import pytest

from pyopenshell.launch import probe
from pyopenshell.policy.access import READ_ONLY
from pyopenshell.seccomp import table
from pyopenshell.verify import calls
from pyopenshell.verify.attempt import ALLOWED, CLEANUP, DENIED, GROUPS
from pyopenshell.verify.attempts import plan
from tests.unit.verify import build

FOLDERS = ("/usr", "/work")
POLICY = (build.grant("/usr"), build.writable("/work"), build.grant("/proc"), build.grant("/dev/null", ("read_file",)))
SEEN = {
    "/": [build.entry("/usr", "folder"), build.entry("/home", "folder"), build.entry("/secret")],
    "/usr": [build.entry("/usr/bin", "folder"), build.entry("/usr/note")],
    "/usr/bin": [build.entry("/usr/bin/true", "program")],
    "/work": [build.entry("/work/mine")],
    build.HOME: [build.entry(f"{build.HOME}/.ssh", "folder"), build.entry(f"{build.HOME}/{'x' * 9}")],
    "/dev": [build.entry("/dev/null", "device"), build.entry("/dev/kvm", "device"), build.entry("/dev/log", "special")],
    "/tmp": [build.entry("/tmp/theirs")],
}


def attempts(*grants, seen=SEEN, **more):
    """Return the attempts for a policy."""
    return plan(build.effective(*(grants or POLICY), **more), build.receipt(*FOLDERS), build.outside(seen))


def expected(*grants, **more):
    """Return what is expected, by verb and target."""
    return {(one.what, one.target): one.expected for one in attempts(*grants, **more)}


def test_grants_and_one_step_wider():
    """What is given is expected to be allowed, what is not to be denied."""
    found = expected()
    assert ALLOWED == found["read", "/usr/note"]
    assert DENIED == found["write", "/usr/note"]
    assert ALLOWED == found["execute", "/usr/bin/true"]
    assert DENIED == found["make a folder", "/usr/.token-folder"]
    assert ALLOWED == found["make a folder", "/work/.token"]
    assert DENIED == found["make a character device", "/work/.token/three-make_char"]
    assert (ALLOWED, DENIED) == (found["open for reading", "/dev/null"], found["open for both", "/dev/null"])


def test_what_is_shown_at_another_path():
    """What there is to try in a folder is what is shown there, by the sandbox's paths; not what the host has there."""
    own = build.writable("/sandbox").replace(source="/srv/one")
    seen = {"/srv/one": [build.entry("/srv/one/mine")], "/sandbox": [build.entry("/sandbox/hosts")]}
    found = {
        (one.what, one.target) for one in plan(build.effective(own), build.receipt("/sandbox"), build.outside(seen))
    }
    assert ("read", "/sandbox/mine") in found
    assert set() == {(what, path) for what, path in found if "hosts" in path or path.startswith("/srv")}


def test_nothing_that_exists_is_opened_for_writing_where_that_is_allowed():
    """And whatever is made, moved or removed has a name that is made for it."""
    for one in attempts():
        if one.group != "grants" or one.expected == DENIED:
            continue
        if one.what in ("write", "truncate", "rename") or one.what.startswith(("make", "remove", "move")):
            assert "/.token" in one.target


def test_a_probe_makes_no_other_calls():
    """The calls that it may be told to make are those that some attempt makes, and the two lists are told apart."""
    rows = [{"syscall": name, "when": "always", "action": "allow"} for name in calls.ALWAYS]
    rows += [{"syscall": name, "when": when, "action": "allow"} for name, when in calls.WHEN]
    isolation = {**dict.fromkeys(build.KINDS, build.OPEN), "signals": build.PRIVATE}
    tried = [one.call for one in (*attempts(isolation=isolation), *calls.attempts(tuple(rows)))]
    made = {call[2] for call in tried if call[0] == "call"}
    on_paths = {call[2] for call in tried if call[0] == "call" and any(isinstance(one, bytes) for one in call[3:])}
    assert on_paths == set(probe.ON_PATHS)
    assert made - on_paths == set(probe.ON_NUMBERS)
    assert probe.ASKED == {call[2]: call[3] for call in tried if call[0] == "value"}


def test_a_folder_of_every_process():
    """Nothing is tried there, and it is listed."""
    (one,) = [one for one in attempts(build.grant("/proc/self/task")) if one.subject == "/proc/self/task"]
    assert ("nothing", None) == one.call


def test_all_that_is_made_is_removed():
    """By attempts, or by cleaning up after them."""
    made = {one.target for one in attempts() if one.what.startswith("make") and ".token" in one.target}
    removed = {one.target for one in attempts() if one.what.startswith("remove")}
    assert made
    assert made <= removed
    assert all(one.call[1] is None for one in attempts() if one.expected == CLEANUP)


def test_what_no_grant_gives():
    """The root folder, the home and their entries, devices, our own folders, and what a private folder hides."""
    found = expected()
    for key in (
        ("list", "/"),
        ("list", "/home"),
        ("read", "/secret"),
        ("list", f"{build.HOME}/.ssh"),
        ("list", "/state"),
        ("open for reading", "/dev/kvm"),
        ("see", "/tmp/theirs"),
    ):
        assert DENIED == found[key], key
    assert not any(target == "/dev/log" for _, target in found)


def test_what_is_granted_is_not_taken_for_foreign():
    """Whoever may read everything has nothing beside it."""
    found = expected(build.grant("/"))
    assert not any(
        value == DENIED and what in ("read", "list") and "proc" not in target
        for (what, target), value in found.items()
        if target not in ("/state", "/config")
    )


def test_a_granted_inode_by_another_name_is_left_alone():
    """Landlock's rules are about inodes: a hard link to a granted file is granted too."""
    other = build.entry("/home/link").replace(dev=1, ino=2)
    found = expected(seen={**SEEN, build.HOME: [other]})
    assert not any(target == "/home/link" for _, target in found)


def test_too_many_entries_are_not_all_tried():
    """A bounded number, the same every time; few of those that file modes close."""
    many = [build.entry(f"/{number:03}", "folder", open=number % 2 == 0) for number in range(200)]
    tried = [one.target for one in attempts(seen={"/": many}) if one.target[1:].isdigit()]
    assert tried == [one.target for one in attempts(seen={"/": many}) if one.target[1:].isdigit()]
    assert (60, 4) == (sum(int(name[1:]) % 2 == 0 for name in tried), sum(int(name[1:]) % 2 for name in tried))


@pytest.mark.parametrize(
    ("grants", "own", "other"),
    [
        ((), DENIED, DENIED),
        ((build.broker(),), ALLOWED, DENIED),
        ((build.grant("/proc", (*READ_ONLY, "write_file")),), ALLOWED, ALLOWED),
    ],
    ids=["none", "broker", "write_file"],
)
def test_thread_names(grants, own, other):
    """By the mechanism that the report names."""
    found = expected(build.grant("/proc"), *grants)
    assert own == found["write", "/proc/self/task/<own pid>/comm"]
    assert other == found["write", "/proc/<other pid>/comm"]
    assert other == found["write", "/proc/self/oom_score_adj"]


def test_a_broker_is_asked_by_a_program():
    """It cannot read the memory of the probe, which is not dumpable: what the probe itself opens shows nothing."""
    for brokered, kind in ((True, "run"), (False, "open")):
        grants = (*POLICY, build.broker()) if brokered else POLICY
        (call,) = [one.call for one in attempts(*grants) if (one.what, one.target) == ("write", "/secret")]
        assert kind == call[0]


def test_processes_outside_are_tried_where_they_are_seen():
    """By their numbers, which mean others in a pid namespace."""
    assert not any("/proc/100/" in one.target for one in attempts())
    assert DENIED == expected(private=False)["read", "/proc/100/environ"]


def test_namespaces():
    """As in the receipt, and not the verifier's own where the report says private."""
    told = {one.call: one.expected for one in attempts() if one.subject == "net namespace"}
    path = b"/proc/self/ns/net"
    assert {("inode", None, path, 13): ALLOWED, ("inode", None, path, 23): DENIED} == told


@pytest.mark.parametrize("net", [True, False])
@pytest.mark.parametrize("abi", [1, 4, 7])
def test_every_row_of_the_filter_has_a_call(net, abi):
    """A new row in the table needs a line in verify/calls.py; what notifies is tried with the thread names."""
    rows = table.rows(net_namespace=net, landlock_abi=abi, broker=True)
    missing = [
        (row.syscall, row.when)
        for row in rows
        if row.action != "notify"
        and (row.syscall not in calls.ALWAYS if row.when == "always" else (row.syscall, row.when) not in calls.WHEN)
    ]
    assert [] == missing


def test_rows():
    """Each with the error that the report names, or allowed."""
    found = {one.target: (one.expected, one.exact) for one in calls.attempts(build.ROWS)}
    assert {"ptrace": (DENIED, 1), "memfd_create": (ALLOWED, None)} == found


def test_every_attempt_is_shown():
    """Its group is one of those that are printed, and all can be sent."""
    import marshal

    found = attempts(*POLICY, build.broker())
    assert {one.group for one in found if one.expected != CLEANUP} <= set(GROUPS)
    assert marshal.loads(marshal.dumps([one.call for one in found]))


@pytest.mark.parametrize(
    ("grants", "private", "wanted"),
    [
        ((), True, DENIED),
        ((build.writable("/tmp", "baseline"),), True, DENIED),
        ((build.writable("/tmp"),), True, ALLOWED),
        ((build.grant("/tmp"),), True, DENIED),
        ((), False, DENIED),
        ((build.writable("/tmp"),), False, ALLOWED),
    ],
)
def test_a_socket_in_the_hosts_tmp(grants, private, wanted):
    """From ABI 9 on grants decide about it: who grants the host's /tmp for writing opens the sockets in it."""
    isolation = dict.fromkeys(build.KINDS, build.PRIVATE if private else build.OPEN)
    isolation["pathname_sockets"] = isolation["pathname_sockets"].replace(state="scoped")
    found = expected(build.grant("/usr"), *grants, abi=9, isolation=isolation)
    assert wanted == found["connect", "/tmp/name"]
