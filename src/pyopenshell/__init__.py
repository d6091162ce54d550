"""Run programs in a kernel-enforced sandbox from a YAML policy, and show every grant.

The names below are the public face; each is imported when first used, so that importing the package costs nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyopenshell.devices.diagnosis import Cause as Cause
    from pyopenshell.devices.diagnosis import Surroundings as Surroundings
    from pyopenshell.devices.diagnosis import diagnose as diagnose
    from pyopenshell.devices.diagnosis.look import look_around as look_around
    from pyopenshell.effective.model import Effective as Effective
    from pyopenshell.errors import OpenShellError as OpenShellError
    from pyopenshell.errors import PolicyError as PolicyError
    from pyopenshell.errors import PolicyRefused as PolicyRefused
    from pyopenshell.policy.model import Policy as Policy
    from pyopenshell.sandbox import RunRequest as RunRequest
    from pyopenshell.sandbox import plan as plan
    from pyopenshell.sandbox import run as run

__version__ = "0.1.0"

_PUBLIC = {
    "Cause": "pyopenshell.devices.diagnosis",
    "Effective": "pyopenshell.effective.model",
    "OpenShellError": "pyopenshell.errors",
    "Policy": "pyopenshell.policy.model",
    "PolicyError": "pyopenshell.errors",
    "PolicyRefused": "pyopenshell.errors",
    "RunRequest": "pyopenshell.sandbox",
    "Surroundings": "pyopenshell.devices.diagnosis",
    "diagnose": "pyopenshell.devices.diagnosis",
    "look_around": "pyopenshell.devices.diagnosis.look",
    "plan": "pyopenshell.sandbox",
    "run": "pyopenshell.sandbox",
}


def __getattr__(name: str) -> object:
    """Import a public name from the module that holds it."""
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(__import__(_PUBLIC[name], fromlist=[name]), name)


def __dir__() -> list[str]:
    """List the public names beside the module's own."""
    return sorted({*globals(), *_PUBLIC})
