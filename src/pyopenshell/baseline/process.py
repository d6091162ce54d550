"""What every process needs: the system read-only, the harmless devices, private temporary folders."""

from __future__ import annotations

from pyopenshell.baseline.model import Proposal
from pyopenshell.policy.access import DEVICE, READ_ONLY, READ_WRITE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyopenshell.baseline.model import Private

READ_FILE = ("read_file",)
PLAIN_DEVICE = ("read_file", "write_file")
"""Open it either way. O_TRUNC needs no right on a device: the kernel truncates regular files only (fs/namei.c)."""
TERMINALS = ("read_dir", *DEVICE)
"""A terminal is useless without its ioctls (from ABI 5 on Landlock denies what is not granted)."""

SYSTEM: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("/usr", READ_ONLY, "Programs, libraries and their data."),
    ("/lib", READ_ONLY, "Shared libraries and the dynamic loader."),
    ("/lib64", READ_ONLY, "Shared libraries and the dynamic loader."),
    ("/bin", READ_ONLY, "Programs."),
    ("/sbin", READ_ONLY, "Programs."),
    ("/etc", READ_ONLY, "System configuration: accounts, time zone, certificates, the loader's cache."),
    ("/proc", READ_ONLY, "A process reads about itself and the machine: maps, cpuinfo, meminfo."),
    ("/dev/urandom", READ_FILE, "Random numbers."),
    ("/dev/null", PLAIN_DEVICE, "Discards what is written; programs and shells expect it."),
    ("/dev/zero", PLAIN_DEVICE, "Zeroes; mapped by programs for memory."),
    ("/dev/full", PLAIN_DEVICE, "Always full; programs test their error paths with it."),
    ("/dev/random", PLAIN_DEVICE, "Random numbers."),
    ("/dev/tty", DEVICE, "The controlling terminal: prompts and job control."),
    ("/dev/ptmx", DEVICE, "Makes new terminals, for shells and tools that start programs in one."),
    ("/dev/pts", TERMINALS, "The terminals themselves."),
)
"""(path, rights, reason), the same in every sandbox."""


def proposals(private: Private) -> tuple[Proposal, ...]:
    """Return the grants for any process. The host's own ``/tmp`` and ``/dev/shm`` are never among them."""
    folders = (
        (private.tmp, "A private folder for temporary files; the host's is not granted."),
        (private.shm, "Private shared memory, for programs of several processes; the host's is not granted."),
        (private.home, "A private home folder; the identity's own is not granted."),
    )
    return (
        *(Proposal("process", path, access, reason) for path, access, reason in SYSTEM),
        *(Proposal("process", path, READ_WRITE, reason, private=True) for path, reason in folders if path is not None),
    )
