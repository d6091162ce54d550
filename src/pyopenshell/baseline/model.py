"""What a baseline proposes. Composition alone decides what becomes of a proposal."""

from __future__ import annotations

from pyopenshell.record import Record


class Proposal(Record):
    """One path a runtime needs: ``name`` is the table's (``process``, ``command``, ``proxy``, ``gpu``).

    ``access`` holds Landlock right names; ``reason`` is a sentence for the operator. ``private`` says that the path
    is the sandbox's own: the runtime makes it, and nothing of the host is reachable through it. Where a CDI spec
    proposes it, ``kind`` is ``cdi``, ``name`` the device's qualified name, ``file`` and ``line`` say where it stands;
    ``source`` is the host's path where that is another, ``problem`` why it must not be granted.
    """

    name: str
    path: str
    access: tuple[str, ...]
    reason: str
    private: bool = False
    kind: str = "baseline"
    file: str | None = None
    line: int | None = None
    source: str | None = None
    problem: str | None = None

    @property
    def is_device(self) -> bool:
        """Whether it is about a device that its user controls by ioctls."""
        return "ioctl_dev" in self.access


class Private(Record):
    """The sandbox's private folders, as the sandbox sees them. The launcher makes them; the baselines grant them.

    ``tmp`` is ``/tmp`` with a mount namespace, else a fresh folder of the host. ``shm`` is None where ``/dev/shm``
    would be the host's. ``home`` is given where the identity's own home is not granted, ``cuda_cache`` for GPU
    sandboxes.
    """

    tmp: str
    shm: str | None = None
    home: str | None = None
    cuda_cache: str | None = None
