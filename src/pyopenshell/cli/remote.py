"""The gateway that a command speaks to, and when it works without one.

``-g``, ``--gateway-endpoint`` and their variables name a gateway that must answer. Otherwise the active one of the
configuration counts; where that is this machine's and does not answer, verbs that only read turn to the records here.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Self

from pyopenshell.cli import output
from pyopenshell.errors import NoSuchSandbox, OpenShellError, StateError, UsageError
from pyopenshell.gateway import configuration, place

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable
    from typing import Any, TypeVar

    from pyopenshell.gateway.configuration import Gateway

    T = TypeVar("T")

START = "openshell gateway start --detach starts it"
UNREACHABLE, LATE = "gateway.unreachable", "gateway.deadline"
PATIENCE = 60.0
"""Seconds a call that does nothing long may take."""
LAUNCH_PATIENCE = 600.0
"""Seconds a sandbox may take to be made, started, stopped or deleted."""


class Remote:
    """A connection to a gateway, as a context manager. Errors of calls are raised as ours."""

    def __init__(self, gateway: Gateway, workspace: str = "default") -> None:
        """Prepare it; nothing is sent yet. Raises OpenShellError where gRPC is not installed."""
        try:
            import grpc
            from openshell._proto import datamodel_pb2, openshell_pb2, openshell_pb2_grpc

            from pyopenshell.gateway import channel
            from pyopenshell.gateway.proto import inspection_pb2, inspection_pb2_grpc
        except ModuleNotFoundError as missing:
            raise not_installed(missing) from missing
        self.gateway = gateway
        self.workspace = workspace
        self.messages = openshell_pb2
        self.reports = inspection_pb2
        self.failure = grpc.RpcError
        self._scope = datamodel_pb2.WorkspaceSelector(workspace=workspace)
        self._channel = channel.connect(gateway)
        self.service = openshell_pb2_grpc.OpenShellStub(self._channel)
        self.inspection = inspection_pb2_grpc.InspectionStub(self._channel)

    def __enter__(self) -> Self:
        """Return it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection."""
        self._channel.close()

    @property
    def title(self) -> str:
        """What to call the gateway in a sentence."""
        name = self.gateway.name
        return f"gateway {name} ({self.gateway.endpoint})" if name else f"gateway {self.gateway.endpoint}"

    def call(self, method: str, timeout: float = PATIENCE, /, **fields: Any) -> Any:
        """Call a method of OpenShell's service with its request's fields; the workspace is added where it is one."""
        kind = getattr(self.messages, f"{method}Request")
        if "workspace_scope" in kind.DESCRIPTOR.fields_by_name:
            fields.setdefault("workspace_scope", self._scope)
        return self.answer(getattr(self.service, method), kind(**fields), timeout)

    def report(self, method: str, name: str, timeout: float = PATIENCE, /, **fields: Any) -> Any:
        """Call a method of our inspection service about a sandbox."""
        request = getattr(self.reports, f"{method}Request")(workspace=self.workspace, sandbox=name, **fields)
        return self.answer(getattr(self.inspection, method), request, timeout)

    def answer(self, method: Callable[..., Any], request: Any, timeout: float | None = PATIENCE) -> Any:
        """Return what a method answers. Raises OpenShellError."""
        try:
            return method(request, timeout=timeout)
        except self.failure as error:
            raise self.error(error) from error

    def error(self, problem: Any) -> OpenShellError:
        """Return a failed call as an error of ours."""
        from pyopenshell.gateway.status import from_rpc

        error = from_rpc(problem)
        if error.code == UNREACHABLE:
            from pyopenshell.gateway.shown import why_unreachable

            why = why_unreachable(self.gateway) or _short(problem.details() or "")
            error.message = f"{self.title} cannot be reached: {why}"
            if is_own(self.gateway):
                runs = place.running() is not None
                error.hint = "openshell gateway stop and start register it anew" if runs else START
        elif error.code == LATE:
            error.message = f"{self.title} did not answer in time"
            error.hint = "openshell status says whether it answers at all"
        error.args = (error.message,)
        return error


def _short(details: str) -> str:
    """Return the end of gRPC's long story: ``… connect: Connection refused (111)``; of TLS's, its reason."""
    _, tls, reason = details.partition("OPENSSL_internal:")
    if tls:
        return f"TLS failed: {reason.partition(':')[0].replace('_', ' ').lower()}"
    return details.rpartition("; last error: ")[2].rpartition(": ")[2] or "no answer"


def not_installed(missing: ModuleNotFoundError) -> OpenShellError:
    """Return the error for a missing optional package."""
    return OpenShellError(
        f"speaking to a gateway needs the package of {missing.name}",
        hint="pip install 'pyopenshell[gateway]'",
        code="gateway.not-installed",
    )


def workspace(arguments: argparse.Namespace) -> str:
    """Return the workspace that is meant."""
    return arguments.workspace or os.environ.get("OPENSHELL_WORKSPACE") or "default"


def configured(arguments: argparse.Namespace) -> Gateway | None:
    """Return the gateway that is meant; None where the configuration has none. Raises OpenShellError."""
    if arguments.gateway and arguments.gateway_endpoint:
        raise UsageError("--gateway and --gateway-endpoint name two gateways", hint="give one of them")
    return configuration.chosen(
        arguments.gateway, arguments.gateway_endpoint, insecure=bool(arguments.gateway_insecure)
    )


def named(arguments: argparse.Namespace) -> bool:
    """Return whether the caller names a gateway, rather than the configuration."""
    return bool(
        arguments.gateway
        or arguments.gateway_endpoint
        or os.environ.get("OPENSHELL_GATEWAY")
        or os.environ.get("OPENSHELL_GATEWAY_ENDPOINT")
    )


def required(arguments: argparse.Namespace) -> Remote:
    """Return a connection to the gateway that is meant. Raises OpenShellError where there is none."""
    gateway = configured(arguments)
    if gateway is None:
        raise OpenShellError(
            "no gateway is configured",
            hint="openshell gateway start starts one here, openshell gateway add URL makes another one known",
            code="gateway.none",
        )
    return Remote(gateway, workspace(arguments))


def either(arguments: argparse.Namespace, there: Callable[[Remote], T], here: Callable[[], T]) -> T:
    """Read something through the gateway that is meant, or from the records of this machine.

    Without a gateway: here. With this machine's: here too for what it does not know, and where it is the active one and
    does not answer, which is said. Raises OpenShellError.
    """
    gateway = configured(arguments)
    if gateway is None:
        return here()
    own = is_own(gateway)
    if own and not _can_be_asked(getattr(arguments, "name", None)):
        return here()
    try:
        with Remote(gateway, workspace(arguments)) as remote:
            return there(remote)
    except NoSuchSandbox as unknown:
        if not own:
            raise
        try:
            return here()
        except NoSuchSandbox:
            raise unknown from None
    except OpenShellError as problem:
        if problem.code not in (UNREACHABLE, "gateway.not-installed") or not own or named(arguments):
            raise
        note(f"{problem.message}; showing this machine's records")
        return here()


def _can_be_asked(name: str | None) -> bool:
    """Return whether a gateway could know a sandbox of this name: the id of a run is none."""
    from pyopenshell.runs.names import is_name

    return name is None or is_name(name)


def is_own(gateway: Gateway) -> bool:
    """Return whether a gateway is the one that this user runs on this machine: it registers itself by that name."""
    return gateway.name == configuration.LOCAL and gateway.endpoint.loopback


def unknown(name: str, there: Remote) -> NoSuchSandbox:
    """Return the error for a sandbox that a gateway does not have."""
    return NoSuchSandbox(f"{there.title} has no sandbox {name!r}", hint="openshell sandbox list shows those there are")


def sandbox(name: str | None) -> str:
    """Return the name of a sandbox: as given, else the last that was used, which is said. Raises UsageError."""
    if name:
        return name
    last = configuration.last_sandbox()
    if last is None:
        raise UsageError("no sandbox is named, and none was used before", hint="openshell sandbox list lists them")
    note(f"sandbox {last}, the last one used")
    return last


def remember(name: str, *, there: bool = True) -> None:
    """Remember a sandbox as the last one that was used, or forget it. Where that cannot be it is said, and no more."""
    try:
        if there:
            configuration.remember_sandbox(name)
        elif configuration.last_sandbox() == name:
            configuration.remember_sandbox(None)
    except StateError as problem:
        note(f"{problem.message}; verbs without a name will mean another sandbox")


def note(text: str) -> None:
    """Say something of our own on stderr, where there is one."""
    if sys.stderr is not None:
        print(output.escape(f"openshell: {text}"), file=sys.stderr)
