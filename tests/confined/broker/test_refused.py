"""What the broker does not grant: it lets the kernel go on, and Landlock says no. The errno is the kernel's own."""

import errno
import os

import pytest

from pyopenshell.kernel import process
from pyopenshell.kernel.syscalls import call
from pyopenshell.seccomp.broker import MAX_REFUSALS
from tests.confined.broker import harness, inside
from tests.confined.landlock.harness import ABI

pytestmark = harness.needs_landlock
kinds = pytest.mark.parametrize("kind", harness.KINDS, ids=str)
OTHER, SPELLING, FLAGS, PASSED = "other-process", "spelling", "flags", "passed"

# P: this process, T: a thread of it, C: its child, X: its child's other thread... and what each open comes to.
PATHS = [
    # path, errno, what the broker counts it as
    ("/proc/1/comm", "EACCES", OTHER),
    ("/proc/1/task/1/comm", "EACCES", OTHER),
    ("/proc/C/comm", "EACCES", OTHER),
    ("/proc/C/task/C/comm", "EACCES", OTHER),
    ("/proc/P/task/C/comm", "ENOENT", OTHER),
    ("/proc/self/task/C/comm", "ENOENT", OTHER),
    ("/proc/C/task/P/comm", "ENOENT", OTHER),
    ("/proc/PARENT/comm", "EACCES", OTHER),
    ("/proc/PARENT/task/PARENT/comm", "EACCES", OTHER),
    ("/proc/self/mem", "EACCES", PASSED),
    ("/proc/self/oom_score_adj", "EACCES", PASSED),
    ("/proc/self/task/T/oom_score_adj", "EACCES", PASSED),
    ("/proc/self/uid_map", "EACCES", PASSED),
    ("/proc/self/clear_refs", "EACCES", PASSED),
    ("/proc/self/timerslack_ns", "EACCES", PASSED),
    ("/proc/sys/kernel/core_pattern", "EACCES", PASSED),
    ("/proc/sys/kernel/hostname", "EACCES", PASSED),
    ("/proc/self/../self/comm", "EACCES", SPELLING),
    ("/proc/../proc/self/comm", "EACCES", SPELLING),
    ("/proc/self/task/../comm", "EACCES", SPELLING),
    ("/proc/self/task/T/../P/comm", "EACCES", SPELLING),
    ("/proc/self/task/T/../../comm", "EACCES", SPELLING),
    ("/tmp/../proc/self/comm", "EACCES", PASSED),
    ("/proc/self/root/proc/self/comm", "EACCES", SPELLING),
    ("/proc/P/root/proc/P/comm", "EACCES", SPELLING),
    ("/proc/self/task/T/root/proc/self/comm", "EACCES", SPELLING),
    ("/proc/self/cwd/comm", "EACCES", SPELLING),
    ("/proc/self/fd/comm", "ENOENT", SPELLING),
    ("/proc/self/task/self/comm", "ENOENT", SPELLING),
    ("/proc/thread-self/task/P/comm", "ENOENT", SPELLING),
    ("/proc/self/comm/", "ENOTDIR", PASSED),
    ("/proc/self/comm/.", "ENOTDIR", PASSED),
    ("/proc/self/comm/../comm", "ENOTDIR", SPELLING),
    ("/proc/self/comm\n", "ENOENT", PASSED),
    ("/proc/self\n/comm", "ENOENT", SPELLING),
    ("/proc/self/task/T\n/comm", "ENOENT", SPELLING),
    ("/proc/self/Comm", "ENOENT", PASSED),
    ("/proc/self/xcomm", "ENOENT", PASSED),
    ("/proc/comm", "ENOENT", SPELLING),
    ("/proc//comm", "ENOENT", SPELLING),
    ("/proc/0/comm", "ENOENT", SPELLING),
    ("/proc/0P/comm", "ENOENT", SPELLING),
    ("/proc/-P/comm", "ENOENT", SPELLING),
    ("/proc/+P/comm", "ENOENT", SPELLING),
    ("/proc/ P/comm", "ENOENT", SPELLING),
    ("/proc/P_0/comm", "ENOENT", SPELLING),
    ("/proc/self/task/0T/comm", "ENOENT", SPELLING),
    ("/proc/self/task/T32/comm", "ENOENT", OTHER),
    ("/proc/T32/comm", "ENOENT", OTHER),
    ("/proc/self/task/T64/comm", "ENOENT", SPELLING),
    ("/proc/9999999999/comm", "ENOENT", OTHER),
    ("/proc/99999999999999999999999999/comm", "ENOENT", SPELLING),
    ("/proc/\N{ARABIC-INDIC DIGIT THREE}/comm", "ENOENT", SPELLING),
    ("", "ENOENT", PASSED),
]


def _spelled(text, tid, child):
    values = {"PARENT": os.getppid(), "T32": tid + 2**32, "T64": tid + 2**64, "P": os.getpid(), "T": tid, "C": child}
    for name, value in values.items():
        text = text.replace(f"/{name}", f"/{value}") if len(name) > 1 else text.replace(name, str(value))
    return text


def _with_child(action):
    """Call an action with the number of a child that only waits."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(write)
        os.read(read, 1)
        os._exit(0)
    try:
        return action(pid)
    finally:
        os.close(write)
        os.waitpid(pid, 0)


@kinds
@pytest.mark.parametrize("way", ["open", "openat"])
def test_paths(kind, way):
    """Other processes' names, other files, and spellings that are not followed."""

    def workload():
        def tried(child):
            with inside.thread() as tid:
                spelled = {path: _spelled(path, tid, child) for path, _, _ in PATHS}
                tries = {"open": inside.by_open, "openat": lambda path: inside.by_openat(inside.CWD, path)}
                return {path: inside.attempt(tries[way], text) for path, text in spelled.items()}

        os.chdir("/proc/self")
        return _with_child(tried)

    served = harness.run(workload, kind)
    expected = {path: code for path, code, _ in PATHS}
    assert expected == served.answer
    told = [reason for _, _, reason in PATHS]
    assert {reason: told.count(reason) for reason in told} == served.counts
    uses = [use.kind for use in served.uses]
    assert {reason: min(MAX_REFUSALS, told.count(reason)) for reason in (OTHER, SPELLING)} == {
        reason: uses.count(reason) for reason in uses
    }


NOT_BROKERED = None
FLAG_CASES = [
    # flags, errno ("ok": a descriptor that cannot be written), what it is counted as
    (os.O_RDWR | os.O_TRUNC, "EACCES", FLAGS),
    (os.O_WRONLY | os.O_TRUNC, "EACCES", FLAGS),
    (os.O_RDWR | os.O_EXCL, "EACCES", FLAGS),
    (os.O_RDWR | os.O_DIRECTORY, "ENOTDIR", FLAGS),
    (os.O_RDWR | os.O_TMPFILE, "ENOTDIR", FLAGS),
    (os.O_RDWR | os.O_PATH, "ok", FLAGS),
    (os.O_RDWR | os.O_DIRECT, "EACCES", FLAGS),
    (os.O_RDWR | os.O_NOATIME, "EACCES", FLAGS),
    (os.O_RDWR | os.O_ASYNC, "EACCES", FLAGS),
    (os.O_RDWR | 1 << 30, "EACCES", FLAGS),
    (os.O_RDWR | -1 << 31, "EACCES", FLAGS),
    (os.O_RDWR | os.O_CREAT, "EACCES", NOT_BROKERED),
    (os.O_WRONLY | os.O_CREAT | os.O_TRUNC, "EACCES", NOT_BROKERED),
    (os.O_RDONLY | os.O_TRUNC, "EACCES", NOT_BROKERED),
    (os.O_RDONLY, "ok", NOT_BROKERED),
    (3, "EACCES", NOT_BROKERED),
]


@kinds
def test_flags(kind):
    """Flags that could change more than what is opened, on the very own file; none gives anything to write to."""

    def workload():
        found = []
        for flags, _, _ in FLAG_CASES:
            try:
                fd = inside.by_openat(inside.CWD, "/proc/self/comm", flags)
            except OSError as error:
                found.append(errno.errorcode[error.errno or 0])
                continue
            found.append("ok" if inside.attempt(os.write, fd, b"changed") == "EBADF" else "written")
            os.close(fd)
        return found, inside.called(os.getpid())

    os_name = inside.called(os.getpid())
    served = harness.run(workload, kind)
    assert ([code for _, code, _ in FLAG_CASES], os_name) == served.answer
    assert {FLAGS: sum(reason == FLAGS for _, _, reason in FLAG_CASES)} == served.counts


def test_other_ways_to_open():
    """openat2, creat and truncate are not brokered, and a descriptor for reading cannot be opened anew."""

    def workload():
        reader = os.open("/proc/self/comm", os.O_RDONLY)
        return {
            "openat2": inside.attempt(process.openat2, inside.CWD, "/proc/self/comm", os.O_RDWR),
            "creat": inside.attempt(call, "creat", b"/proc/self/comm", 0o600),
            "truncate": inside.attempt(os.truncate, "/proc/self/comm", 0),
            "again": inside.attempt(inside.by_openat, inside.CWD, f"/proc/self/fd/{reader}"),
        }

    served = harness.run(workload)
    openat2 = "EACCES" if ABI >= 5 else "ENOSYS"
    assert {"openat2": openat2, "creat": "EACCES", "truncate": "EACCES", "again": "EACCES"} == served.answer
    assert {PASSED: 1} == served.counts


def test_other_entries(compiled):
    """A 32-bit entry into the kernel is not there, nor is io_uring: no open comes past the filter."""
    if os.uname().machine != "x86_64":
        pytest.skip("needs: x86_64")
    served = harness.run([compiled("entries")])
    assert (0, "int80 ENOSYS x32 ENOSYS io_uring ENOSYS\n") == (served.code, served.output)
    assert {} == served.counts


@kinds
def test_links_in_a_writable_folder(kind, workdir):
    """A symbolic link is the kernel's to follow, wherever it leads and whatever it is called."""
    os.chmod(workdir, 0o777)
    targets = ["/proc/self/comm", "/proc/1/comm", "/proc/self/oom_score_adj", "/proc/sys/kernel/hostname"]

    def workload():
        os.chdir(workdir)
        found = []
        for target in targets:
            for link in ("comm", "link"):
                os.symlink(target, link)
                found += [inside.attempt(inside.by_openat, inside.CWD, path) for path in (link, f"{workdir}/{link}")]
                os.unlink(link)
        os.symlink("/proc/self", "self")
        return [*found, inside.attempt(inside.by_openat, inside.CWD, "self/comm")]

    served = harness.run(workload, kind, writable=workdir)
    assert ["EACCES"] * (len(targets) * 4 + 1) == served.answer
    assert {PASSED: len(targets) * 4 + 1} == served.counts


def test_a_file_of_that_name_elsewhere(workdir):
    """A file called comm in a folder that may be written is opened as ever, in every way."""
    os.chmod(workdir, 0o777)

    def workload():
        os.chdir(workdir)
        os.close(os.open("comm", os.O_CREAT | os.O_RDWR))
        folder = os.open(workdir, os.O_RDONLY)
        tries = ((inside.CWD, "comm"), (inside.CWD, f"{workdir}/comm"), (folder, "comm"))
        return [inside.attempt(inside.by_openat, *how) for how in tries]

    served = harness.run(workload, writable=workdir)
    assert ["ok"] * 3 == served.answer
    assert {PASSED: 3} == served.counts


@pytest.mark.parametrize("folder", [-1, 99, 0x7FFFFFFF, -5])
def test_no_such_folder(folder):
    """A relative path from a descriptor that there is not is EBADF, and nobody else's business."""
    served = harness.run(lambda: inside.attempt(inside.by_openat, folder, "comm"))
    assert ("EBADF", {PASSED: 1}) == (served.answer, served.counts)
