"""What composition is given: one frozen value, so that composing is a pure function of it."""

from __future__ import annotations

from pyopenshell.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pyopenshell.baseline.model import Proposal
    from pyopenshell.devices.host import Host
    from pyopenshell.effective.aliases import Aliases
    from pyopenshell.effective.devices import Devices
    from pyopenshell.effective.limits import Limit
    from pyopenshell.effective.model import Contributor, Finding, Identity, Isolation, LandlockReport, Network
    from pyopenshell.policy.model import Policy


class Resolved(Record):
    """Where a path leads.

    ``real`` has no symbolic link and no ``..`` in it; None when ``errno`` says why the path cannot be reached.
    ``place`` is ``real``, or where a missing path would be; None when not even that can be told.
    ``links_by_others``: a symbolic link on the way belongs neither to root nor to the operator.
    ``creatable``: only the last component is missing, and no symbolic link leads there. ``links``: those on the way.
    """

    real: str | None
    errno: int = 0
    is_dir: bool = False
    is_device: bool = False
    links_by_others: bool = False
    place: str | None = None
    creatable: bool = False
    links: tuple[str, ...] = ()
    is_socket: bool = False


class Request(Record):
    """Everything composition depends on.

    ``workdir`` is an absolute real path, as the sandbox sees it; ``own_folder`` is the host's folder that is seen
    there, where it was made for the sandbox alone. ``cuda`` says that the sandbox asks for a GPU for CUDA, or for the
    runtime of one; ``devices`` is what it was given, with ``about_devices``, the findings on that. ``environment``
    holds the workload's variables where ``cuda`` needs them looked at.
    ``network`` says mode and mechanism; its entries are composition's to fill. ``protected`` holds folders that must
    never be writable, as (path, what it is: ``state``, ``configuration``); ``home`` is the caller's ``$HOME``.
    ``resolve`` answers where a path leads (``effective.resolve``). ``reachable_sockets`` are the pathname sockets a
    sandbox could connect to whatever the grants say, ``granted_sockets`` those in folders that the operator grants for
    writing; ``policy_file`` is the policy's absolute path, ``own_code`` the folders that the running
    command is made of. ``contributors`` are the third parties whose grants are among the proposals, ``aliases`` what
    these are compared with under other names, None where there are none.
    """

    policy: Policy
    name: str
    run_id: str
    host: Host
    identity: Identity
    workdir: str
    proposals: tuple[Proposal, ...]
    landlock: LandlockReport
    network: Network
    isolation: dict[str, Isolation]
    protected: tuple[tuple[str, str], ...]
    home: str | None
    resolve: Callable[[str], Resolved]
    reachable_sockets: tuple[str, ...] = ()
    granted_sockets: tuple[str, ...] = ()
    policy_file: str | None = None
    own_code: tuple[str, ...] = ()
    cuda: bool = False
    devices: Devices | None = None
    about_devices: tuple[Finding, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    contributors: tuple[Contributor, ...] = ()
    aliases: Aliases | None = None
    own_folder: str | None = None
    limits: tuple[Limit, ...] = ()

    @property
    def hard(self) -> bool:
        """Whether the policy says ``hard_requirement``."""
        return self.policy.compatibility == "hard_requirement"
