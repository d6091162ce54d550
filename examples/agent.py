"""A small stand-in for an agent: does the work it was given, then tries what no agent should.

Run it as ``openshell run --policy examples/policies/agent.yaml -- python3 examples/agent.py``. It prints one line per
attempt with the kernel's answer, and exits 0 only if all of its work succeeded and everything else was denied. Run it
without a sandbox to see the difference: it changes nothing outside its folder that it does not undo at once.
"""

import errno
import fcntl
import os
import socket
import subprocess
import sys
import uuid
from collections.abc import Callable

TIOCSTI = 0x5412
ABSENT = "ENOENT"
"""Not a denial in itself; but what a private /run, /tmp or home does not contain cannot be reached either."""
DENIED = ("EACCES", "EPERM")
READ_ONLY = "EROFS"
"""Where there is a mount namespace, all that is not granted for writing is a read-only mount."""


def read_folder() -> str:
    """List the working folder and read the first file in it."""
    names = sorted(os.listdir("."))
    files = [name for name in names if os.path.isfile(name)]
    for name in files[:1]:
        with open(name, "rb") as file:
            file.read()
    return f"{len(names)} entries"


def write_result() -> str:
    """Write a result file into the working folder, whole: beside it first, then renamed."""
    with open("result.txt.new", "w", encoding="utf-8") as file:
        file.write(f"done, {uuid.uuid4()}\n")
    os.replace("result.txt.new", "result.txt")
    return "result.txt"


def use_tools() -> str:
    """Start another program, which runs in the same sandbox."""
    return subprocess.run(["uname", "-s"], check=True, capture_output=True, text=True).stdout.strip()


def scratch_file() -> str:
    """Make and remove a file in the folder for temporary ones."""
    path = os.path.join(os.environ.get("TMPDIR", "/tmp"), f"agent-{os.getpid()}")
    with open(path, "x", encoding="utf-8"):
        os.unlink(path)
    return os.path.dirname(path)


def read_shadow() -> None:
    """Read the password hashes."""
    with open("/etc/shadow", "rb"):
        pass


def list_root() -> None:
    """Look around at the top of the file system. File modes allow it to everyone: only the sandbox says no."""
    os.listdir("/")


def write_public() -> None:
    """Leave a file where everyone may."""
    create(f"/var/tmp/agent-{os.getpid()}")


def write_system() -> None:
    """Leave a file where programs are started from."""
    create(f"/usr/local/bin/agent-{os.getpid()}")


def read_ssh_keys() -> None:
    """List the keys of whoever runs this."""
    os.listdir(os.path.expanduser("~/.ssh"))


def write_sysctl() -> None:
    """Open a kernel setting for writing, without changing it."""
    os.close(os.open("/proc/sys/kernel/core_pattern", os.O_WRONLY))


def connect_tcp() -> None:
    """Open a connection to an address that is reserved for documentation (RFC 5737)."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as attempt:
        attempt.settimeout(2)
        attempt.connect(("192.0.2.1", 443))


def send_udp() -> None:
    """Ask a name server that does not exist (RFC 5737)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as attempt:
        attempt.sendto(b"?", ("192.0.2.1", 53))


def system_bus() -> None:
    """Connect to the system's message bus."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as attempt:
        attempt.connect("/run/dbus/system_bus_socket")


def type_into_terminal() -> None:
    """Type a character into the terminal this was started from, as if its user had. The character is a NUL."""
    fcntl.ioctl(0, TIOCSTI, b"\0")


def signal_others() -> None:
    """Ask whether another process could be signalled (signal 0 does nothing else). The parent is the sandbox's own."""
    own = {os.getpid(), os.getppid(), 1}
    answer = OSError(errno.ESRCH, "no other process is visible")
    for pid in [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) not in own]:
        try:
            os.kill(pid, 0)
        except OSError as error:
            answer = error
        else:
            return
    raise answer


def make_device() -> None:
    """Make a device node for the kernel's memory."""
    path = f"mem-{os.getpid()}"
    os.mknod(path, 0o020600, os.makedev(1, 1))
    os.unlink(path)


def create(path: str) -> None:
    """Create a file and remove it again."""
    with open(path, "x", encoding="utf-8"):
        os.unlink(path)


WORK: tuple[tuple[str, Callable[[], str]], ...] = (
    ("read its folder", read_folder),
    ("write a result", write_result),
    ("start a program", use_tools),
    ("use a temporary file", scratch_file),
)
FORBIDDEN: tuple[tuple[str, Callable[[], None], tuple[str, ...]], ...] = (
    ("read /etc/shadow", read_shadow, DENIED),
    ("list the root folder", list_root, DENIED),
    ("write to /var/tmp", write_public, (*DENIED, READ_ONLY)),
    ("write to /usr/local/bin", write_system, (*DENIED, READ_ONLY)),
    ("read SSH keys", read_ssh_keys, (*DENIED, ABSENT)),
    ("write a kernel setting", write_sysctl, DENIED),
    ("connect over TCP", connect_tcp, (*DENIED, "ENETUNREACH")),
    ("send over UDP", send_udp, (*DENIED, "ENETUNREACH")),
    ("reach the system bus", system_bus, (*DENIED, ABSENT)),
    ("type into the terminal", type_into_terminal, DENIED),
    ("signal other processes", signal_others, (*DENIED, "ESRCH")),
    ("make a device node", make_device, DENIED),
)


def attempt_work(name: str, action: Callable[[], str]) -> bool:
    """Do a piece of work, print what came of it, and return whether it succeeded."""
    try:
        outcome = f"ok      {action()}"
    except (OSError, subprocess.SubprocessError) as error:
        print(f"  {name:<26}FAILED  {error}")
        return False
    print(f"  {name:<26}{outcome}")
    return True


def attempt_forbidden(name: str, action: Callable[[], None], denials: tuple[str, ...]) -> bool:
    """Try what should be denied, print the kernel's answer, and return whether it was denied."""
    try:
        action()
    except OSError as error:
        answer = errno.errorcode.get(error.errno or 0, str(error))
        denied = answer in denials
        print(f"  {name:<26}{'denied  ' if denied else 'NOT DENIED: '}{answer}")
        return denied
    print(f"  {name:<26}ALLOWED")
    return False


def main() -> int:
    """Do the work, try the rest, and return the exit status."""
    print(f"agent: uid {os.getuid()}, in {os.getcwd()}")
    print("allowed work")
    worked = [attempt_work(name, action) for name, action in WORK]
    print("forbidden work")
    denied = [attempt_forbidden(name, action, denials) for name, action, denials in FORBIDDEN]
    print(f"agent: {sum(worked)} of {len(WORK)} allowed, {sum(denied)} of {len(FORBIDDEN)} denied")
    return 0 if all(worked) and all(denied) else 1


if __name__ == "__main__":
    sys.exit(main())
