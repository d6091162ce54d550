"""What really happens where this kernel lacks a right: denied by what the report names, or open and said to be."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.kernels

TRUNCATING = {"truncate": "always", "openat": "the flags have O_TRUNC and the access mode is O_RDONLY"}
"""The rows of the filter that stand in for ``truncate``."""
OPEN: tuple[str, str | None] = ("open", "Medium")
"""The state of what nothing keeps apart, and the severity of its finding."""


def rows(seen):
    """Return the filter's rows as the report lists them."""
    return {(row["syscall"], row["when"]) for row in seen.record.effective["seccomp"]["rows"]}


def answers(seen, *names):
    """Return what came of these."""
    return {name: seen.answer[name] for name in names}


def isolation(seen, kind):
    """Return the state of a kind of resource, and the severity of the finding that it is open."""
    finding = seen.record.findings.get(f"isolation.{kind.replace('_', '-')}-open")
    return seen.record.effective["isolation"][kind]["state"], finding and finding["severity"]


def test_truncate_never_empties_what_is_read_only(seen):
    """A file granted for reading keeps its content, at any ABI: by the filter below 3, then by Landlock."""
    refused = answers(seen, "truncate kept", "O_TRUNC kept", "mode 3 O_TRUNC kept", "creat kept")
    # With a mount namespace it lies on a read-only mount besides, which some of these meet first.
    assert set(refused.values()) <= ({"EACCES", "EROFS"} if seen.made.mount else {"EACCES"}), refused
    assert ("content", "ok") == (seen.kept, seen.answer["read kept"])


def test_truncate_where_writing_is_granted(seen):
    """Below ABI 3 the filter takes truncate(2) and O_RDONLY|O_TRUNC from everyone; ftruncate and creat work."""
    emptying = "EACCES" if seen.abi < 3 else "ok"
    assert {"truncate mine": emptying, "O_TRUNC mine": emptying, "creat mine": "ok", "ftruncate mine": "ok"} == answers(
        seen, "truncate mine", "O_TRUNC mine", "creat mine", "ftruncate mine"
    )


def test_truncate_rows_of_the_filter(seen):
    """The rows that stand in are in the filter below ABI 3, and only there."""
    assert {seen.abi < 3} == {row in rows(seen) for row in TRUNCATING.items()}


def test_openat2(seen):
    """Below ABI 5 it is not there: a filter cannot see what it asks for. From 5 on Landlock answers it."""
    assert ("ENOSYS" if seen.abi < 5 else "ok") == seen.answer["openat2 mine"]


def test_access_mode_3(seen):
    """No right of any ABI is about it: the filter denies it always."""
    names = ("mode 3 kept", "mode 3 mine")
    assert dict.fromkeys(names, "EACCES") == answers(seen, *names)


def test_refer(seen):
    """ABI 1 denies moving and linking between two folders of one that is granted for writing; ABI 2 lets it."""
    assert dict.fromkeys(("rename", "link"), "EXDEV" if seen.abi < 2 else "ok") == answers(seen, "rename", "link")


def test_ioctl(seen):
    """On a device granted for reading and writing only: below ABI 5 the driver is asked, from then on Landlock."""
    assert ("ENOTTY" if seen.abi < 5 else "EACCES") == seen.answer["ioctl"]


def test_abstract_sockets(seen):
    """Kept apart by the network namespace, else by Landlock from ABI 6 on, else open and told."""
    answer, state = "ok", OPEN
    if seen.made.net:
        answer, state = "ECONNREFUSED", ("private", None)
    elif seen.abi >= 6:
        answer, state = "EPERM", ("scoped", None)
    assert (answer, state) == (seen.answer["abstract"], isolation(seen, "abstract_sockets"))


def test_signals(seen):
    """Kept in by the pid namespace, else by Landlock from ABI 6 on, else open and told."""
    answer, state = "ok", OPEN
    if seen.made.pid:
        answer, state = "ESRCH", ("private", None)
    elif seen.abi >= 6:
        answer, state = "EPERM", ("scoped", None)
    assert (answer, state) == (seen.answer["signal"], isolation(seen, "signals"))


def test_pathname_sockets(seen):
    """Out of view with a mount namespace; denied by Landlock from ABI 9 on; else open, which is High."""
    answer = "ENOENT" if seen.made.mount else "EACCES" if seen.abi >= 9 else "ok"
    assert answer == seen.answer["pathname"]
    state, severity = isolation(seen, "pathname_sockets")
    assert (state == "open") == (severity == "High")
    if answer == "ok":
        assert "open" == state
    elif seen.abi >= 9:
        assert "open" != state


def test_network(seen):
    """With a namespace there is a loopback of its own, and nothing else; without, the filter allows no such socket."""
    if seen.made.net:
        expected = {"loopback": "ok", "host tcp": "ECONNREFUSED", "udp": "ok"}
        state = "private"
    else:
        expected = dict.fromkeys(("loopback", "host tcp", "udp"), "EAFNOSUPPORT")
        state = "filtered"
    assert expected == answers(seen, *expected)
    assert (state, None) == isolation(seen, "net")


def test_processes_and_the_rest(seen):
    """What a namespace alone keeps apart is private with it, and open without: never told otherwise."""
    for kind in ("pid", "ipc", "mount"):
        expected = ("private", None) if getattr(seen.made, kind) else OPEN
        assert expected == isolation(seen, kind), kind
    assert seen.made.user == (isolation(seen, "user")[0] == "private")
