"""What this host is, as one frozen value that the pure parts (baseline, composition) are given."""

from __future__ import annotations

from pyopenshell.record import Record

LANDLOCK_SINCE = dict(
    enumerate(["5.13", "5.19", "6.2", "6.7", "6.10", "6.12", "6.15", "7.0", "7.1", "7.2", "7.3"], start=1)
)
"""The first Linux with each ABI of Landlock, for hints; what a kernel says of itself decides."""


class Namespaces(Record):
    """Which namespaces a throwaway child of this process could really make, and what failed first if one could not.

    ``user`` says that they were made inside a user namespace (an unprivileged caller), which is then private too.
    """

    user: bool = False
    mount: bool = False
    pid: bool = False
    net: bool = False
    ipc: bool = False
    reason: str | None = None


class Device(Record):
    """A device node of the inventory.

    ``role``: ``control`` (needed for any GPU), ``gpu`` (one GPU's own node), ``caps`` (MIG capabilities), ``admin``
    (manages GPUs for the whole host: listed, never granted). ``vendor``: ``nvidia``, ``wsl``, ``tegra``, ``amd``.
    ``reason`` says what a program needs it for.
    """

    path: str
    role: str
    vendor: str
    reason: str = ""


class Broker(Record):
    """Whether CUDA's thread names can go through a broker here, as a throwaway child just found out.

    ``state``: ``available``; ``outer`` (a sandbox around this one brokers already, and its service is used);
    ``unavailable``, with the ``reason`` in words; ``untried``, where nobody needed to know, or nothing could be shown.
    """

    state: str = "untried"
    reason: str = ""


class Host(Record):
    """Facts about the kernel, measured once per launch.

    ``landlock_abi`` is 0 without Landlock; ``landlock_errno`` then says how the kernel answered.
    """

    release: str
    architecture: str
    landlock_abi: int
    landlock_errno: int = 0
    seccomp: bool = True
    namespaces: Namespaces = Namespaces()
    broker: Broker = Broker()
