"""Which kernels are booted, from which of Debian's packages, and what is tried on each."""

from __future__ import annotations

from dataclasses import dataclass

SUITES = (
    "bullseye-security",
    "bookworm",
    "bookworm-security",
    "trixie",
    "trixie-security",
    "trixie-backports",
)
"""Where the packages are looked for; newer versions of a package win."""
WITHOUT_LANDLOCK = "lsm=lockdown,yama,apparmor"
LEAST_DISTINCT_ABIS = 3
"""Fewer than these prove too little: the run fails."""


@dataclass(frozen=True)
class Run:
    """One pass of the tests on a booted kernel.

    ``user``: as an ordinary user, not root. ``yama``: ``kernel.yama.ptrace_scope``. ``userns``: whether an ordinary
    user may make user namespaces. ``profile``: the AppArmor profile that the tests run beneath. ``masked``: the
    sandboxes use no more of Landlock than this ABI has. ``only``: the parts of the tests that this pass is about, as
    folders or files under tests/; empty for all that are chosen.
    """

    name: str
    user: bool = False
    yama: int = 0
    userns: bool = True
    profile: str = ""
    masked: int | None = None
    only: tuple[str, ...] = ()

    @property
    def is_place(self) -> bool:
        """Whether a sandbox may be another thing here than in other runs, so that it is worth measuring."""
        return self.only != BROKER

    @property
    def is_whole(self) -> bool:
        """Whether this is about all the tests that are chosen."""
        return not self.only


@dataclass(frozen=True)
class Kernel:
    """A kernel to boot. ``package`` is a regular expression for its name; ``abi`` is what it must answer, 0 for none.

    ``required``: without it the whole run fails; the others come and go in Debian's backports. ``namespaces``: those
    that root's sandboxes must get there; a user's get one more.
    """

    name: str
    package: str
    abi: int
    why: str
    required: bool = False
    command_line: str = ""
    namespaces: tuple[str, ...] = ("mount", "pid", "net", "ipc")
    runs: tuple[Run, ...] = ()


BROKER = ("confined/broker",)
RIGHTS = ("confined/downgrade", "confined/landlock", "confined/whole")
NAMESPACES = ("confined/downgrade", "confined/launch")

ROOT = Run("root")
ROOT_RIGHTS = Run("root, rights and broker", only=(*RIGHTS, *BROKER))
ROOT_YAMA_1 = Run("root, Yama 1", yama=1, only=BROKER)
ROOT_YAMA_2 = Run("root, Yama 2", yama=2, only=BROKER)
USER = Run("user", user=True, yama=1)
USER_YAMA_0 = Run("user, Yama 0", user=True, only=BROKER)
USER_YAMA_2 = Run("user, Yama 2", user=True, yama=2, only=BROKER)
USER_ALONE = Run("user, no user namespaces", user=True, yama=1, userns=False, only=NAMESPACES)

BOTH = (ROOT, USER)
BETWEEN = (Run("root, rights", only=RIGHTS), Run("user, rights", user=True, yama=1, only=RIGHTS))
"""For the kernels between those that are required: what depends on the ABI."""
EVERY_YAMA = (ROOT_YAMA_1, ROOT_YAMA_2, USER_YAMA_0, USER_YAMA_2)
UBUNTU = Run("user, as on Ubuntu 24.04", user=True, yama=1, profile="restricted_userns", only=NAMESPACES)
"""Ubuntu's kernel has a switch of its own for this; the profile does the same on any kernel with AppArmor."""
OLD = ("net", "ipc")
"""Before mount_setattr(2), Linux 5.12: without mounts there is no /proc for a pid namespace either."""


def masked(abi: int) -> Run:
    """Return a pass with an ABI that no package has: the kernel knows more, the sandboxes do not use it."""
    return Run(f"user, masked to ABI {abi}", user=True, yama=1, masked=abi, only=RIGHTS[:2])


KERNELS = (
    Kernel(
        "5.10",
        r"linux-image-5\.10\.0-\d+-cloud-amd64",
        0,
        "Debian 11: no Landlock",
        namespaces=OLD,
        runs=(*BOTH, ROOT_YAMA_2),
    ),
    Kernel(
        "6.1",
        r"linux-image-6\.1\.0-\d+-cloud-amd64",
        2,
        "Debian 12",
        required=True,
        runs=(*BOTH, *EVERY_YAMA, USER_ALONE, masked(1)),
    ),
    Kernel(
        "6.12",
        r"linux-image-6\.12\.\d+\+deb1[23](\.\d+)?-cloud-amd64",
        6,
        "Debian 13",
        required=True,
        runs=(ROOT_RIGHTS, USER, USER_YAMA_2, USER_ALONE, UBUNTU, masked(3), masked(4), masked(5)),
    ),
    Kernel("6.18", r"linux-image-6\.18\.\d+\+deb13-cloud-amd64", 7, "long-term", runs=BETWEEN),
    Kernel("7.0", r"linux-binary-7\.0\.\d+\+deb13-cloud-amd64", 8, "", runs=BETWEEN),
    Kernel("7.1", r"linux-binary-7\.1\.\d+\+deb13-cloud-amd64", 9, "", runs=BETWEEN),
    Kernel("7.2", r"linux-binary-7\.2\.\d+\+deb13-cloud-amd64", 10, "", runs=BETWEEN),
    Kernel(
        "7.3",
        r"linux-binary-7\.3\.\d+\+deb13-cloud-amd64",
        11,
        "the newest",
        required=True,
        command_line="audit=1",
        runs=(*BOTH, ROOT_YAMA_2, USER_YAMA_2, USER_ALONE),
    ),
    Kernel(
        "7.3, Landlock off",
        r"linux-binary-7\.3\.\d+\+deb13-cloud-amd64",
        0,
        "built in, not enabled at boot",
        required=True,
        command_line=WITHOUT_LANDLOCK,
        runs=BOTH,
    ),
)
