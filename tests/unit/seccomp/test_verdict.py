"""The broker's verdict: a table of paths and flags, and properties that no path can break."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyopenshell.seccomp import verdict

TGID, TID, OTHER_THREAD = 12, 15, 17
CREATE, TRUNCATE, EXCLUSIVE, DIRECTORY, PATH_ONLY = 0o100, 0o1000, 0o200, 0o200000, 0o10000000
TEMPORARY, DIRECT, NO_ATIME, ASYNC = 0o20200000, 0o40000, 0o1000000, 0o20000

GRANTED = {
    "/proc/self/task/17/comm": OTHER_THREAD,
    "/proc/self/task/15/comm": TID,
    "/proc/12/task/17/comm": OTHER_THREAD,
    "/proc/15/task/17/comm": OTHER_THREAD,  # /proc/<tid>/ is the same process
    "/proc/self/comm": TGID,
    "/proc/12/comm": TGID,
    "/proc/17/comm": OTHER_THREAD,  # whether 17 is the caller's, opening it beneath /proc/12/task tells
    "/proc/thread-self/comm": TID,
    "//proc///self/./task/17/comm": OTHER_THREAD,
    "/./proc/self/task/4194304/comm": 4194304,
}
REFUSED = {
    "/proc/13/task/17/comm": verdict.OTHER,
    "/proc/1/task/1/comm": verdict.OTHER,
    "/proc/thread-self/task/17/comm": verdict.SPELLING,  # there is no such folder
    "/proc/self/task/17/comm/": verdict.SPELLING,
    "/proc/self/task/17/comm/.": verdict.SPELLING,
    "/proc/self/task/17/comm\n": verdict.SPELLING,
    "/proc/self/task/017/comm": verdict.SPELLING,
    "/proc/self/task/+17/comm": verdict.SPELLING,
    "/proc/self/task/-17/comm": verdict.SPELLING,
    "/proc/self/task/0/comm": verdict.SPELLING,
    "/proc/self/task/1_7/comm": verdict.SPELLING,
    "/proc/self/task/\u0661\u0667/comm": verdict.SPELLING,
    "/proc/self/task/99999999999/comm": verdict.SPELLING,
    "/proc/self/task/17/../17/comm": verdict.SPELLING,
    "/proc/self/../12/comm": verdict.SPELLING,
    "/proc/../proc/self/comm": verdict.SPELLING,
    "/proc/self/root/proc/self/comm": verdict.SPELLING,
    "/proc/12/root/proc/12/task/12/comm": verdict.SPELLING,
    "/proc/self/cwd/comm": verdict.SPELLING,
    "/proc/self/task/comm": verdict.SPELLING,
    "/proc/self/task/17/mem": verdict.SPELLING,
    "/proc/self/oom_score_adj": verdict.SPELLING,
    "/proc/sys/kernel/core_pattern": verdict.SPELLING,
    "/proc/comm": verdict.SPELLING,
    "/proc": verdict.SPELLING,
    "/tmp/proc/self/comm": "",
    "/tmp/comm": "",
    "/process/self/comm": "",
    "/": "",
    "": "",
}
HARMLESS = (0, verdict.APPEND, verdict.NONBLOCK, 0o2000000, 0o100000, 0o400000, 0o400, 0o4010000)


def thread(path, flags=verdict.RDWR):
    """The verdict on an open by thread 15 of process 12."""
    return verdict.thread(path.encode(), flags, TGID, TID)


@pytest.mark.parametrize("path", GRANTED)
@pytest.mark.parametrize("mode", [verdict.WRONLY, verdict.RDWR])
def test_own_threads_are_granted(path, mode):
    """Every spelling of a thread of the caller's own gives that thread."""
    assert (GRANTED[path], "") == thread(path, mode)


@pytest.mark.parametrize("path", REFUSED)
def test_everything_else_is_refused_with_a_reason(path):
    """Other processes, other files, and spellings that are not followed; what procfs does not have, has no reason."""
    assert (0, REFUSED[path]) == thread(path)


@pytest.mark.parametrize("flags", HARMLESS)
def test_flags_that_change_nothing_are_fine(flags):
    """They say how the descriptor behaves, not what is opened."""
    assert (OTHER_THREAD, "") == thread("/proc/self/task/17/comm", verdict.RDWR | flags)


@pytest.mark.parametrize(
    "flags", [CREATE, TRUNCATE, EXCLUSIVE, DIRECTORY, PATH_ONLY, TEMPORARY, DIRECT, NO_ATIME, ASYNC, 1 << 31]
)
def test_other_flags_are_landlocks(flags):
    """What empties, creates or means another thing is not given, however right the path is."""
    assert (0, verdict.FLAGS) == thread("/proc/self/task/17/comm", verdict.RDWR | flags)


@pytest.mark.parametrize("mode", [0, 3])
def test_only_writing_is_brokered(mode):
    """Reading needs no broker, and mode 3 is neither."""
    assert (0, verdict.FLAGS) == thread("/proc/self/task/17/comm", mode)


@pytest.mark.parametrize(
    ("path", "base", "expected"),
    [
        ("task/17/comm", "/proc/self", "/proc/self/task/17/comm"),
        ("comm", "/proc/12/task/17", "/proc/12/task/17/comm"),
        ("/proc/self/comm", "/home", "/proc/self/comm"),
        ("self/comm", "/proc", "/proc/self/comm"),
    ],
)
def test_a_relative_path_starts_from_its_folder(path, base, expected):
    """An absolute one starts from the root, whatever the folder."""
    assert expected.encode() == verdict.absolute(path.encode(), base.encode())


@pytest.mark.parametrize(
    ("path", "expected"),
    [(path, True) for path in ("/proc/self/comm", "comm", "/a/comm")]
    + [(path, False) for path in ("", "m", "/dev/null", "/proc/self/xcomm", "/proc/self/comm/", "/proc/self/com")],
)
def test_only_comm_concerns_the_broker(path, expected):
    """Whatever does not end in it is passed on before anything else is looked up."""
    assert expected is verdict.concerns(path.encode())


@pytest.mark.parametrize("path", [*GRANTED, "/proc/99/task/1/comm"])
def test_thread_names_are_known_as_such_whoever_asks(path):
    """``openshell why`` knows what the broker would answer for, without knowing the asking process."""
    expected = "thread-self" in path or path.startswith(("/proc/", "//", "/./"))
    assert expected is verdict.is_thread_name(path.encode().replace(b"//proc///", b"/proc/").replace(b"/./", b"/"))


@given(st.binary(max_size=300), st.integers(0, 2**32 - 1))
def test_no_bytes_upset_it(path, flags):
    """Any bytes and any flags have an answer: a thread and no reason, or no thread."""
    found, reason = verdict.thread(path, flags, TGID, TID)
    assert found == 0 or reason == ""
    assert reason in ("", *verdict.REASONS)


PIECES = ("proc", "self", "thread-self", "task", "comm", "12", "15", "17", "1", "..", ".", "root", "0", "9" * 11, "")


@given(st.lists(st.sampled_from(PIECES), max_size=8), st.sampled_from([verdict.WRONLY, verdict.RDWR]))
def test_what_is_granted_is_spelled_as_procfs_spells_it(pieces, mode):
    """A grant implies: no ``..``, the last word is comm, and a numeric owner of a task folder is the caller."""
    path = "/" + "/".join(pieces)
    found, _ = thread(path, mode)
    if not found:
        return
    parts = [piece for piece in pieces if piece not in ("", ".")]
    assert "proc" == parts[0]
    assert "comm" == parts[-1] == pieces[-1]
    assert ".." not in parts
    if len(parts) == 5:
        assert ("task", str(found)) == (parts[2], parts[3])
        assert parts[1] in ("self", str(TGID), str(TID))
    else:
        assert 3 == len(parts)
        assert found == {"self": TGID, "thread-self": TID}.get(parts[1], found)


@given(st.text("0123456789", min_size=1, max_size=12))
def test_numbers_are_those_of_procfs(text):
    """A number is its own canonical spelling, or none."""
    found = verdict.number(text.encode())
    assert found == 0 or str(found) == text
