"""What OpenShell's proxied sandboxes are given beside the process baseline, so that their policies fit here."""

from __future__ import annotations

from pyopenshell.baseline.model import Proposal
from pyopenshell.policy.access import READ_ONLY, READ_WRITE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyopenshell.baseline.model import Private

TABLE: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("/usr", READ_ONLY, "Programs, libraries and certificates for programs behind the proxy."),
    ("/lib", READ_ONLY, "Shared libraries for programs behind the proxy."),
    ("/etc", READ_ONLY, "Resolver, certificate and proxy configuration."),
    ("/app", READ_ONLY, "Where OpenShell's images keep the application."),
    ("/var/log", READ_ONLY, "Logs, as OpenShell grants them; file modes still apply."),
    ("/proc", READ_ONLY, "Lets a program behind the proxy be told by its process."),
    ("/dev/urandom", ("read_file",), "Random numbers for TLS."),
    ("/sandbox", READ_WRITE, "The home folder of OpenShell's images, where it exists."),
)
"""(path, rights, reason). OpenShell's writable ``/tmp`` is the private one here."""


def proposals(private: Private, network: str) -> tuple[Proposal, ...]:
    """Return the grants for a sandbox whose network mode is ``none`` or ``proxy``; none for ``host``."""
    if network == "host":
        return ()
    return (
        *(Proposal("proxy", path, access, reason) for path, access, reason in TABLE),
        Proposal("proxy", private.tmp, READ_WRITE, "Temporary files, in the private folder.", private=True),
    )
