"""Can a broker serve thread names here? A throwaway child tries it with a throwaway broker, both as in a launch.

What could be in the way does not show otherwise: a kernel without user notification, an outer sandbox with the only
listener there can be, a container's seccomp profile, Yama's ``ptrace_scope``, a restricted procfs.
"""

from __future__ import annotations

import _socket
import errno
import marshal
import os
import select

from pyopenshell.devices.host import Broker
from pyopenshell.kernel import process, syscalls
from pyopenshell.kernel.signals import SIGKILL
from pyopenshell.landlock import downgrade, ruleset
from pyopenshell.launch import brokering, namer, reap, reports
from pyopenshell.launch.become import become
from pyopenshell.policy.access import THREAD_NAMES
from pyopenshell.seccomp import bpf, table, verdict
from pyopenshell.seccomp.broker import GRANTED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from pyopenshell.effective.model import Identity

PATIENCE = 5.0
"""Seconds after which a trial counts as failed."""
REFUSALS = {
    errno.EBUSY: "a sandbox around this one holds the only listener there can be, and does not serve this one",
    errno.EPERM: "something around this process, a container's seccomp profile perhaps, forbids a listener",
    errno.EINVAL: "this kernel has no user notification (Linux 5.0)",
    errno.ENOSYS: "this kernel has no user notification (Linux 5.0)",
}
"""What it means when a filter with a listener cannot be installed."""
NOTHING_TO_GIVE = "this kernel lets nobody put a descriptor into another process (Linux 5.9)"
DENIED_ANYWAY = "; and a rule of its own will not help it: something around this process denies naming threads at all"
UNREADABLE = (
    "it may not read from its own descendants, and kernel.yama.ptrace_scope is not why: something around this process, "
    "a container's seccomp profile perhaps, forbids process_vm_readv"
)
SCOPE = "/proc/sys/kernel/yama/ptrace_scope"
YAMA = {
    2: "kernel.yama.ptrace_scope=2 lets only CAP_SYS_PTRACE read from another process, and a broker has no capability "
    "(`sysctl kernel.yama.ptrace_scope=1` is enough for it)",
    3: "kernel.yama.ptrace_scope=3 lets nobody read from another process, and stays until the next boot (1 is enough "
    "for a broker)",
}
"""What it means under these scopes of Yama (Linux's admin-guide/LSM/Yama) that a broker may not read."""


class BrokerTrial:
    """A trial under way. Start it early, ask for the result when it is needed, once."""

    def __init__(self, identity: Identity) -> None:
        """Fork the throwaway broker, which forks the child that it serves."""
        # A socket: the broker's own filter knows sendto(2), and has no use for write(2).
        self._answer, answer = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET | _socket.SOCK_CLOEXEC)
        self._pid = os.fork()
        if self._pid == 0:
            try:
                answer.send(marshal.dumps(_attempt(identity)))
            except OSError as error:
                answer.send(marshal.dumps((125, error.errno or 0, {}, error.filename or "a system call")))
            finally:
                os._exit(0)
        answer.close()

    def result(self) -> Broker:
        """Wait for the answer (one message). A child that died without one, or hangs, showed nothing."""
        data = self._answer.recv(65536) if select.select([self._answer], [], [], PATIENCE)[0] else b""
        if not data:
            return Broker("unavailable", "the trial gave no answer")
        return judge(*marshal.loads(data), yama=_yama())  # noqa: S302 - written by our own child

    def close(self) -> None:
        """End the throwaway broker, and reap it; the child that it serves does not outlive it by much."""
        self._answer.close()
        os.kill(self._pid, SIGKILL)
        os.waitpid(self._pid, 0)


def judge(
    code: int, refusal: int, counts: dict[str, int], failed: str, unconfined: int = 0, *, yama: int = 0
) -> Broker:
    """Return what a trial showed (pure).

    ``code`` is how the child ended: 0 when it named itself, else an errno. ``refusal`` is the errno of installing the
    filter with its listener, ``unconfined`` then that of naming a thread without any sandbox of ours; ``counts`` is
    what the broker answered, ``failed`` the system call that failed before all, ``yama`` its ``ptrace_scope``.
    """
    if failed:
        return Broker("unavailable", f"the trial failed: {failed}: {os.strerror(refusal)}")
    if refusal:
        if code == 0:
            return Broker("outer")
        why = REFUSALS.get(refusal, f"no listener: {os.strerror(refusal)}")
        return Broker("unavailable", why + DENIED_ANYWAY if unconfined else why)
    if code == 0 and counts.get(GRANTED):
        return Broker("available")
    if counts.get(verdict.NO_DESCRIPTOR):
        return Broker("unavailable", NOTHING_TO_GIVE)
    if counts.get(verdict.UNREADABLE):
        return Broker("unavailable", YAMA.get(yama, UNREADABLE))
    return Broker("unavailable", f"a program that tried could not name its thread ({os.strerror(code)})")


def _yama() -> int:
    """Return Yama's scope; 0, which restricts nothing, without Yama."""
    try:
        fd = os.open(SCOPE, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return 0
    try:
        return int(os.read(fd, 16))
    finally:
        os.close(fd)


def _attempt(identity: Identity) -> tuple[int, int, dict[str, int], str, int]:
    """Serve one child; return what ``judge`` wants to know."""
    plan = {**identity.as_dict(), "change_identity": os.geteuid() == 0}
    here = os.open("/proc", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    channel = brokering.Channel()
    told, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        _child(plan, channel.keep_inner(), tell)
    os.close(tell)
    inbox = reports.Inbox()
    service = brokering.Brokering(channel, here, brokering.Reporter(inbox.sender.fileno()), depth=0)
    process.set_child_subreaper()
    brokering.drop(plan)
    code = reap.wait_and_sweep(pid, service)
    refused = os.read(told, 8)
    refusal, unconfined = int.from_bytes(refused[:4], "little"), int.from_bytes(refused[4:], "little")
    return code, refusal, service.counts, "", unconfined


def _child(plan: dict[str, Any], channel: brokering.Channel, tell: int) -> NoReturn:
    """Name this process as a workload would: another identity, in a Landlock domain that forbids it, executed."""
    try:
        become(plan)
        process.set_no_new_privs()
        refused = False
        try:
            channel.install(bpf.build(table.THREAD_NAMES, syscalls.ARCHITECTURE))
        except OSError as error:
            refused = True
            os.write(tell, b"".join(number.to_bytes(4, "little") for number in (error.errno or 0, _unconfined())))
        channel.close()
        try:
            ruleset_fd, _ = ruleset.build(downgrade.mask(THREAD_NAMES), 0, 0, [])
            ruleset.enforce(ruleset_fd)
        except OSError:  # no Landlock here: whether the broker gave it is counted all the same
            if refused:
                raise  # a name written would be no sign of a broker around this process
        _name_itself()
    except OSError as error:
        os._exit(error.errno or 125)
    finally:
        os._exit(125)


def _name_itself() -> NoReturn:
    """Execute the tiny program. Raises OSError."""
    namer.execute(namer.program(f"/proc/self/task/{os.getpid()}/comm"))


def _unconfined() -> int:
    """Return the errno of naming a thread before this trial confines anything: what is around it may deny it too."""
    pid = os.fork()
    if pid == 0:
        try:
            _name_itself()
        finally:
            os._exit(errno.EPERM)
    return max(0, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
