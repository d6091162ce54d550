"""Faults that the matrix must see: each is planted in the copy of the checkout that is booted, never in the checkout.

``python -m tests.kernels --plant NAME`` must fail, in the cells that the fault is about.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.kernels.packages import Unavailable

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Edit:
    """A piece of a source file, and what stands there instead."""

    file: str
    old: str
    new: str


BROKERING = "src/pyopenshell/launch/brokering.py"
SIBLING = """
def read_through_a_sibling() -> None:
    from pyopenshell.kernel import memory

    ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    child = os.fork()
    if child == 0:
        if os.fork() == 0:  # its parent ends at once, so it becomes init's child: a sibling of the program
            process.close_fds((theirs.fileno(),))
            reader = memory.Reader(256)
            while request := theirs.recv(64):
                pid, address = map(int, request.split())
                try:
                    theirs.send(b"+" + (reader.string(pid, address) or b""))
                except OSError as error:
                    theirs.send(b"-%d" % error.errno)
        os._exit(0)
    os.waitpid(child, 0)
    theirs.close()

    def string(_reader, pid, address):
        status = os.open(f"{pid}/status", os.O_RDONLY, dir_fd=Brokering.here)
        inside = os.read(status, 4096).partition(b"\\nNSpid:")[2].split(b"\\n")[0].split()[-1]
        os.close(status)
        ours.sendmsg([b"%s %d" % (inside, address)])
        answer = ours.recvmsg(512)[0]
        if answer.startswith(b"-"):
            raise OSError(int(answer[1:]), "")
        return answer[1:]

    memory.Reader.string = string


"""
DROP = "def drop(plan: dict[str, Any]) -> None:\n"

FAULTS: dict[str, tuple[Edit, ...]] = {
    # Only a kernel of ABI 2 shows it: nothing keeps files that may not be written from being emptied there.
    "truncate": (Edit("src/pyopenshell/seccomp/table.py", "    if landlock_abi < 3:\n", "    if landlock_abi < 2:\n"),),
    # Yama's ptrace_scope 1 lets only ancestors read a program's memory; without Yama nobody would notice.
    "sibling": (
        Edit(BROKERING, "        self._here = here\n", "        self._here = Brokering.here = here\n"),
        Edit(BROKERING, "    become(plan)\n", "    become(plan)\n    read_through_a_sibling()\n"),
        Edit(BROKERING, DROP, SIBLING + DROP),
    ),
}


def plant(edits: tuple[Edit, ...], checkout: Path) -> None:
    """Plant them. Raises Unavailable where the source has changed, so that the fault could not be planted."""
    for edit in edits:
        file = checkout / edit.file
        text = file.read_text()
        if text.count(edit.old) != 1:
            raise Unavailable(f"{edit.file} holds the place of this fault {text.count(edit.old)} times, not once")
        file.write_text(text.replace(edit.old, edit.new))
