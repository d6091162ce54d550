"""A sandbox at every Landlock ABI up to this kernel's: what it handles, what it lacks, what stands in for it."""

import pytest

from tests.confined.landlock.harness import ABIS, needs_landlock
from tests.confined.launch import world
from tests.confined.whole import callers

pytestmark = needs_landlock

FIRST = (
    "execute write_file read_file read_dir remove_dir remove_file make_char make_dir make_reg make_sock make_fifo "
    "make_block make_sym"
)
BROUGHT = {
    1: FIRST,
    2: "refer",
    3: "truncate",
    5: "ioctl_dev",
    6: "abstract_unix_socket signal",
    9: "resolve_unix",
}
"""What each ABI brought (linux/landlock.h), where the network has a namespace."""
BROUGHT_NET = {4: "bind_tcp connect_tcp", 10: "bind_udp connect_send_udp"}
"""What they brought for the network: handled only where there is no network namespace."""
ATTEMPTS = """
file, kept = given["file"], given["kept"]
answer["write"] = attempt(lambda: open(file, "w").write("new"))
answer["append"] = attempt(lambda: open(file, "a").write("more"))
answer["make"] = attempt(lambda: open(file + "2", "x").close())
answer["ftruncate"] = attempt(lambda: os.ftruncate(os.open(file, os.O_WRONLY), 1))
how = (ctypes.c_uint64 * 3)(os.O_RDONLY, 0, 0)
answer["openat2"] = syscall(437, -100, file.encode(), how, 24)
answer["truncate"] = attempt(os.truncate, file, 0)
answer["O_TRUNC alone"] = attempt(os.open, file, os.O_RDONLY | os.O_TRUNC)
answer["truncate kept"] = attempt(os.truncate, kept, 0)
answer["O_TRUNC kept"] = attempt(os.open, kept, os.O_RDONLY | os.O_TRUNC)
answer["mode 3 kept"] = attempt(os.open, kept, 3 | os.O_TRUNC)
"""
HARD = {"version": 1, "filesystem_policy": {"include_workdir": True}, **world.HARD}
WRITING = dict.fromkeys(("write", "append", "make", "ftruncate"), "ok")
REFUSED = dict.fromkeys(("truncate kept", "O_TRUNC kept", "mode 3 kept"), "EACCES")


@pytest.fixture
def kept(workdir):
    """A folder with a file, of the sandbox's own identity, for granting read-only."""
    (workdir / "kept").mkdir()
    (workdir / "kept" / "file").write_text("kept")
    (workdir / "open").mkdir()
    for path in (workdir / "kept" / "file", workdir / "open"):
        path.chmod(0o777)
    return workdir / "kept"


def brought(abi, *, net):
    """Return the names of all rights that an ABI knows."""
    tables = (BROUGHT, BROUGHT_NET) if net else (BROUGHT,)
    return {name for table in tables for since, names in table.items() if since <= abi for name in names.split()}


@pytest.mark.parametrize("abi", ABIS)
@pytest.mark.parametrize("kind", ["namespaces", "no namespaces"])
def test_handled_is_the_abis(anyone, kind, abi):
    """Exactly the ABI's rights are handled, and the rest is dropped, each with its consequence."""
    net = kind == "no namespaces"
    anyone.world = world.WORLDS[kind]
    if not net:
        world.needs_namespaces()
    done = anyone.run("-q", "-n", "abi", "--max-abi", abi, "--", "true")
    assert (0, "") == (done.returncode, done.stderr)
    record = anyone.record("abi")
    landlock = record.effective["landlock"]
    assert (abi, brought(abi, net=net)) == (landlock["abi"], set(landlock["handled"]))
    lacking = brought(99, net=net) - brought(abi, net=net)
    assert lacking == {entry["right"] for entry in landlock["dropped"]}
    for entry in landlock["dropped"]:
        assert entry["needs_abi"] > abi
        assert entry["consequence"]
    known = brought(abi, net=net)
    assert all(known.issuperset(rule["requested"]) for rule in record.receipt["rules"])
    assert any(rule["actual"] for rule in record.receipt["rules"])


@pytest.mark.parametrize("abi", ABIS)
def test_nothing_is_emptied_by_the_back_door(anyone, kept, abi):
    """Writing works at every ABI; what Landlock does not see yet is answered by the filter, also on read-only files.

    Without a mount namespace: with one, what is granted read-only under /tmp is a read-only mount besides.
    """
    anyone.world = world.NO_NAMESPACES
    policy = world.policy((kept,), (kept.parent / "open",), workdir=False)
    told = anyone.ask(ATTEMPTS, "--max-abi", abi, policy=policy, file=kept.parent / "open" / "file", kept=kept / "file")
    emptying = "EACCES" if abi < 3 else "ok"
    filtered = {"openat2": "ENOSYS" if abi < 5 else "ok", "truncate": emptying, "O_TRUNC alone": emptying}
    assert WRITING | filtered | REFUSED == told
    assert "kept" == (kept / "file").read_text()


@pytest.mark.parametrize("abi", ABIS)
def test_hard_requirement_wants_what_nothing_replaces(anyone, abi):
    """With namespaces only ioctl_dev has no stand-in: without it nothing is started, with it all is well."""
    world.needs_namespaces()
    if abi >= 5:
        assert 0 == anyone.run("--max-abi", abi, "--", "true", policy=HARD).returncode
        return
    error = callers.refused(anyone, "--max-abi", abi, policy=HARD)
    assert "policy.hard-requirement" == error["code"]
    missing = f"the right ioctl_dev needs Landlock ABI 5 (Linux 6.10), this kernel has {abi}"
    assert f"hard_requirement cannot be kept on this host: {missing}" == error["message"]


def test_hard_requirement_wants_sockets_closed(anyone):
    """Without namespaces and below ABI 9 the host's sockets can be reached, and that is said."""
    anyone.world = world.NO_NAMESPACES
    error = callers.refused(anyone, "--max-abi", min(8, max(ABIS)), policy=HARD)
    assert "pathname Unix sockets of the host can be connected to" in error["message"]
