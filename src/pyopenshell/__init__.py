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
    from pyopenshell.errors import CommandError as CommandError
    from pyopenshell.errors import CommandFailed as CommandFailed
    from pyopenshell.errors import CommandTimeout as CommandTimeout
    from pyopenshell.errors import ContributorError as ContributorError
    from pyopenshell.errors import GpuError as GpuError
    from pyopenshell.errors import IdentityError as IdentityError
    from pyopenshell.errors import KernelUnsupported as KernelUnsupported
    from pyopenshell.errors import LaunchError as LaunchError
    from pyopenshell.errors import NameInUse as NameInUse
    from pyopenshell.errors import NoSuchSandbox as NoSuchSandbox
    from pyopenshell.errors import OpenShellError as OpenShellError
    from pyopenshell.errors import PolicyError as PolicyError
    from pyopenshell.errors import PolicyRefused as PolicyRefused
    from pyopenshell.errors import SandboxGone as SandboxGone
    from pyopenshell.errors import StateError as StateError
    from pyopenshell.errors import UsageError as UsageError
    from pyopenshell.errors import ZygoteError as ZygoteError
    from pyopenshell.policy.model import Policy as Policy
    from pyopenshell.sandbox import RunRequest as RunRequest
    from pyopenshell.sandbox import plan as plan
    from pyopenshell.sandbox import run as run
    from pyopenshell.sandbox.aio import AsyncSandbox as AsyncSandbox
    from pyopenshell.sandbox.aio_process import AsyncProcess as AsyncProcess
    from pyopenshell.sandbox.aio_stream import AsyncStream as AsyncStream
    from pyopenshell.sandbox.box import Sandbox as Sandbox
    from pyopenshell.sandbox.process import Process as Process
    from pyopenshell.sandbox.result import Chunk as Chunk
    from pyopenshell.sandbox.result import Result as Result
    from pyopenshell.sandbox.stream import Stream as Stream

__version__ = "0.1.0"

_PUBLIC = {
    "AsyncProcess": "pyopenshell.sandbox.aio_process",
    "AsyncSandbox": "pyopenshell.sandbox.aio",
    "AsyncStream": "pyopenshell.sandbox.aio_stream",
    "Cause": "pyopenshell.devices.diagnosis",
    "Chunk": "pyopenshell.sandbox.result",
    "CommandError": "pyopenshell.errors",
    "CommandFailed": "pyopenshell.errors",
    "CommandTimeout": "pyopenshell.errors",
    "ContributorError": "pyopenshell.errors",
    "Effective": "pyopenshell.effective.model",
    "GpuError": "pyopenshell.errors",
    "IdentityError": "pyopenshell.errors",
    "KernelUnsupported": "pyopenshell.errors",
    "LaunchError": "pyopenshell.errors",
    "NameInUse": "pyopenshell.errors",
    "NoSuchSandbox": "pyopenshell.errors",
    "OpenShellError": "pyopenshell.errors",
    "Policy": "pyopenshell.policy.model",
    "PolicyError": "pyopenshell.errors",
    "PolicyRefused": "pyopenshell.errors",
    "Process": "pyopenshell.sandbox.process",
    "Result": "pyopenshell.sandbox.result",
    "RunRequest": "pyopenshell.sandbox",
    "Sandbox": "pyopenshell.sandbox.box",
    "SandboxGone": "pyopenshell.errors",
    "StateError": "pyopenshell.errors",
    "Stream": "pyopenshell.sandbox.stream",
    "Surroundings": "pyopenshell.devices.diagnosis",
    "UsageError": "pyopenshell.errors",
    "ZygoteError": "pyopenshell.errors",
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
