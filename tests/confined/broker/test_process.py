"""The broker as a process: what it is, what it may not do, and that nobody else holds its listener."""

import marshal
import os
import select
import signal
import socket

import pytest

from pyopenshell.kernel import process
from pyopenshell.kernel.syscalls import call
from pyopenshell.launch import brokering
from tests.confined.broker import harness, inside
from tests.confined.landlock.harness import SECONDS, in_child

pytestmark = harness.needs_landlock
kinds = pytest.mark.parametrize("kind", harness.KINDS, ids=str)
LISTENER = "anon_inode:seccomp notify"


def _needs_root():
    if os.getuid():
        pytest.skip("needs: root")  # who may look at a process that is not dumpable


def _opens():
    # When the second is answered, the broker has done with the first.
    return [inside.attempt(inside.by_openat, inside.CWD, path) for path in ("/proc/self/comm", "/proc/self/mem")]


@pytest.fixture
def broker():
    """The pid of a broker that has served an ordinary user's workload, and stays for a while."""
    _needs_root()
    with harness.start(_opens, hold=True) as served:
        served.until_output_ends()
        yield served.ancestor
        served.finish()
    assert (["ok", "EACCES"], 0) == (served.answer, served.code)


def _status(pid):
    with open(f"/proc/{pid}/status") as file:
        return {name: " ".join(value.split()) for name, _, value in (line.partition(":") for line in file)}


def test_its_identity(broker):
    """It is the sandbox's uid and gid, in no group, without any capability, and can gain nothing."""
    status = _status(broker)
    uid = str(harness.NOBODY)
    assert (" ".join([uid] * 4),) * 2 == (status["Uid"], status["Gid"])
    assert "" == status["Groups"]
    assert {"0" * 16} == {status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")}
    assert ("1", "2", "1") == (status["NoNewPrivs"], status["Seccomp"], status["Threads"])


def test_it_is_closed_to_its_own_uid(broker):
    """It is not dumpable: its files in /proc are root's, so nobody of its uid can read or trace it."""
    assert {0} == {os.stat(f"/proc/{broker}/{file}").st_uid for file in ("mem", "environ", "maps", "comm")}
    assert "0" == _status(broker)["CoreDumping"]


def test_it_is_closed_without_a_change_of_uid():
    """Started by an ordinary user, whose uid it keeps, it is closed to that user's other processes all the same."""

    def user():
        if os.getuid() == 0:
            process.set_ids(harness.NOBODY, harness.NOBODY, ())
        process.set_dumpable(True)  # as any program is that was executed
        with harness.start(_opens, hold=True) as served:
            served.until_output_ends()
            own = inside.attempt(os.readlink, "/proc/self/fd/0")
            return own, inside.attempt(os.readlink, f"/proc/{served.ancestor}/fd/0"), served.answer

    assert ("ok", "EACCES", ["ok", "EACCES"]) == in_child(user)


def test_its_limits(broker):
    """It can have as many descriptors as it needs, no process, no file that it writes, and no core dump."""
    with open(f"/proc/{broker}/limits") as file:
        limits = {line[:26].strip(): tuple(line[26:].split()[:2]) for line in file}
    assert (str(brokering.FILES),) * 2 == limits["Max open files"]
    assert ("0", "0") == limits["Max processes"] == limits["Max file size"]
    assert "0" == limits["Max core file size"][0]


def test_it_holds_the_only_listener(broker):
    """No other process has the listener: with a second holder the broker's death would leave callers waiting."""
    holders = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            links = [os.readlink(f"/proc/{name}/fd/{fd}") for fd in os.listdir(f"/proc/{name}/fd")]
        except OSError:
            continue
        if _status(broker)["PPid"] == str(os.getpid()) and LISTENER in links and _beneath(int(name), broker):
            holders.append(int(name))
    assert [broker] == holders


def _beneath(pid, ancestor):
    """Whether a process is the ancestor or descends from it."""
    while pid not in (0, ancestor):
        pid = int(_status(pid)["PPid"])
    return pid == ancestor


def test_its_descriptors(broker):
    """It keeps standard streams, the listener, two folders of /proc, its report, and one for each known process."""
    links = sorted(os.readlink(f"/proc/{broker}/fd/{fd}") for fd in os.listdir(f"/proc/{broker}/fd") if int(fd) > 2)
    kinds = [link.split(":[")[0] for link in links]
    assert sorted(["/proc", "/proc", LISTENER, "anon_inode:[pidfd]", "anon_inode:[signalfd]", "socket"]) == sorted(
        link if link.startswith("anon_inode") else kind for link, kind in zip(links, kinds, strict=True)
    )


FORBIDDEN = {
    "fork": os.fork,
    "clone3": lambda: call("clone3", 0, 0),
    "vfork": lambda: call("vfork"),
    "execve": lambda: os.execv("/bin/true", ["true"]),
    "execveat": lambda: call("execveat", -1, b"/bin/true", 0, 0, 0),
    "socket": lambda: call("socket", socket.AF_UNIX, socket.SOCK_STREAM, 0),
    "socketpair": lambda: call("socketpair", 1, 1, 0, b"\0" * 8),
    "connect": lambda: call("connect", 0, b"\0" * 16, 16),
    "bind": lambda: call("bind", 0, b"\0" * 16, 16),
    "write": lambda: os.write(2, b""),
    "pwrite": lambda: os.pwrite(2, b"", 0),
    "writev": lambda: os.writev(2, [b""]),
    "process_vm_writev": lambda: call("process_vm_writev", os.getpid(), 0, 0, 0, 0, 0),
    "ptrace": lambda: call("ptrace", 0x4206, 1, 0, 0),
    "unlink": lambda: os.unlink("/nonexistent"),
    "rename": lambda: os.rename("/nonexistent", "/nonexistent2"),
    "mkdir": lambda: os.mkdir("/nonexistent/folder"),
    "chmod": lambda: os.chmod("/nonexistent", 0),
    "truncate": lambda: os.truncate("/nonexistent", 0),
    "mount": lambda: call("mount", b"", b"", b"", 0, 0),
    "unshare": lambda: call("unshare", 0),
    "setns": lambda: call("setns", -1, 0),
    "setuid": lambda: os.setuid(os.getuid()),
    "setresuid": lambda: os.setresuid(-1, -1, -1),
    "prctl": lambda: process.set_dumpable(True),
    "seccomp": lambda: call("seccomp", 0, 0, 0),
    "prlimit64": lambda: call("prlimit64", 0, 7, 0, 0),
    "bpf": lambda: call("bpf", 0, 0, 0),
    "io_uring_setup": lambda: call("io_uring_setup", 0, 0),
    "memfd_create": lambda: os.memfd_create("x"),
    "open": lambda: call("open", b"/dev/null", 0, 0),
    "openat2": lambda: process.openat2(-100, "/", os.O_PATH),
    "pidfd_getfd": lambda: call("pidfd_getfd", -1, 0, 0),
    "kexec_load": lambda: call("kexec_load", 0, 0, 0, 0),
    "tkill": lambda: call("tkill", 0, 0),
}


@kinds
def test_what_it_may_not_do(kind):
    """Its own filter refuses what it has no use for: each of these is EPERM."""
    kind.check()
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

    def child():
        parent = os.fork()
        if parent == 0:
            brokering.drop(kind.plan)
            theirs.send(marshal.dumps({name: inside.attempt(action) for name, action in FORBIDDEN.items()}))
            os._exit(0)
        return os.waitstatus_to_exitcode(os.waitpid(parent, 0)[1])

    assert 0 == in_child(child)
    answer = marshal.loads(ours.recv(65536))
    ours.close()
    theirs.close()
    elsewhere = {name for name, value in answer.items() if value == "ENOSYS"} & {"vfork", "open"}  # not on aarch64
    assert dict.fromkeys(FORBIDDEN, "EPERM") == answer | dict.fromkeys(elsewhere, "EPERM")


def test_its_parent_is_gone(monkeypatch):
    """A supervisor that ends just before the broker would hear of it leaves no broker behind."""
    monkeypatch.setattr(os, "getppid", iter((os.getpid(), 1)).__next__)

    def child():
        try:
            brokering.drop(harness.USER.plan)
        except OSError as error:
            return str(error)
        return "went on"

    assert "supervisor ended" in in_child(child)


@kinds
def test_its_parent_dies(kind):
    """A broker whose supervisor is killed ends what it serves, and itself, though nobody else tells it."""
    kind.check()
    alive, held = os.pipe()

    def supervisor():
        with harness.start(signal.pause, kind, keep=(held,)) as served:
            served.take()  # the broker has its listener, and has dropped what it had
            os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(AssertionError, match="wait status 9"):
        in_child(supervisor)
    os.close(held)
    assert select.select([alive], [], [], SECONDS)[0], "the sandbox lives on"
    assert b"" == os.read(alive, 1)
    os.close(alive)
