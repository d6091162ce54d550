"""Processes outside, and the sandbox's own init, against a program of the same uid."""

import signal

import pytest

from pyopenshell.kernel import syscalls
from tests.confined.escape import outside
from tests.confined.landlock import harness
from tests.confined.launch import world

NUMBERS = {
    name: syscalls.number(name)
    for name in ("ptrace", "process_vm_readv", "process_vm_writev", "pidfd_open", "pidfd_getfd", "pidfd_send_signal")
}
CODE = """
PTRACE_ATTACH, PTRACE_SEIZE = 16, 0x4206

def call(name, *arguments):
    # A plain int would be passed as 32 bits, and the sixth argument with rubbish above them.
    return syscall(given[name], *(ctypes.c_long(word) if isinstance(word, int) else word for word in arguments))

def try_all(pid, address):
    word = ctypes.create_string_buffer(24)
    here = (ctypes.c_uint64 * 2)(ctypes.addressof(word), 24)
    there = (ctypes.c_uint64 * 2)(address, 24)
    fd = libc.syscall(given["pidfd_open"], pid, 0)
    found = {
        "kill": attempt(os.kill, pid, 0),
        "seize": call("ptrace", PTRACE_SEIZE, pid, None, None),
        "attach": call("ptrace", PTRACE_ATTACH, pid, None, None),
        "read": call("process_vm_readv", pid, here, 1, there, 1, 0),
        "write": call("process_vm_writev", pid, here, 1, there, 1, 0),
        "mem": attempt(os.open, f"/proc/{pid}/mem", os.O_RDONLY),
        "descriptors": attempt(os.readlink, f"/proc/{pid}/fd/0"),
    }
    found["pidfd"] = "none" if fd < 0 else call("pidfd_send_signal", fd, 0, None, 0)
    found["getfd"] = "none" if fd < 0 else call("pidfd_getfd", fd, 0, 0)
    return found

def parent(pid):
    with open(f"/proc/{pid}/stat") as file:
        return int(file.read().rpartition(")")[2].split()[1])
"""
TRACING = dict.fromkeys(("seize", "attach", "read", "write"), "EPERM")
"""The syscall filter's answer, whatever process is meant. ``mem`` and ``descriptors`` show what the kernel says."""
HIDDEN = TRACING | {
    "kill": "ESRCH",
    "mem": "ENOENT",
    "descriptors": "ENOENT",
    "pidfd": "none",
    "getfd": "none",
}
"""A process that is in no pid namespace one can see."""
CLOSED = TRACING | {
    "kill": "EPERM",
    "pidfd": "EPERM",
    "getfd": "ENOSYS",
    "mem": "EACCES",
    "descriptors": "EACCES",
}
"""A process that is seen, and is in no domain of one's own."""
SIGNALLED = {"kill": "ok", "pidfd": "ok"}
"""What Landlock's scope would deny, where there is none (ABI 6)."""


@pytest.mark.kernels
@harness.needs_landlock
def test_a_bystander_of_the_same_uid(everywhere, bystander):
    """No signal, no tracing, no memory, no descriptor; with a pid namespace it is not even there."""
    expected = HIDDEN if outside.has(everywhere, "pid") else CLOSED if harness.ABI >= 6 else CLOSED | SIGNALLED
    code = f"{CODE}\nanswer |= try_all(given['pid'], given['address'])"
    assert expected == everywhere.ask(code, pid=bystander.pid, address=bystander.address, **NUMBERS)


@pytest.mark.kernels
def test_a_signal_to_everybody(everywhere):
    """``kill(-1)`` reaches nobody outside: a blocked signal that was sent would stay pending.

    Where neither a namespace nor ABI 6 keeps it in, it does, and a finding has said so.
    """
    is_open = not outside.has(everywhere, "pid") and harness.ABI < 6
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGWINCH})
    try:
        # It is born with the signal blocked.
        with harness.bystander(world.IDENTITY if world.IS_ROOT else None) as pid:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGWINCH})
            everywhere.ask('answer["sent"] = attempt(os.kill, -1, signal.SIGWINCH)', "--name", "signals")
            with open(f"/proc/{pid}/status") as file:
                fields = dict(line.split(":", 1) for line in file)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGWINCH})
    bit = 1 << signal.SIGWINCH - 1
    assert int(fields["SigBlk"], 16) & bit, "the bystander would not show it"
    assert is_open == bool(int(fields["ShdPnd"], 16) & bit)
    assert is_open == ("isolation.signals-open" in everywhere.record("signals").findings)


def test_init_keeps_its_memory_and_descriptors(everywhere):
    """Init has the program's uid and holds the control socket: it may be signalled, and nothing else."""
    code = f"{CODE}\nanswer |= try_all(os.getppid(), id(answer))"
    assert CLOSED | SIGNALLED == everywhere.ask(code, **NUMBERS)


@pytest.mark.kernels
@harness.needs_landlock
def test_stem_and_supervisor_are_out_of_reach(everywhere):
    """Init's parent and grandparent are outside the domain, though an ordinary user's have the program's uid."""
    code = f"{CODE}\nstem = parent(os.getppid())\n"
    code += 'answer["there"] = stem\nif stem: answer |= {name: try_all(pid, id(answer)) for name, pid in '
    code += '(("stem", stem), ("supervisor", parent(stem)))}'
    answer = everywhere.ask(code, **NUMBERS)
    if outside.has(everywhere, "pid"):
        assert {"there": 0} == answer
        return
    assert answer.pop("there") > 1
    expected = CLOSED if world.IS_ROOT or harness.ABI >= 6 else CLOSED | SIGNALLED
    assert {"stem": expected, "supervisor": expected} == answer
