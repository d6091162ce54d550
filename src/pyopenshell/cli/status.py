"""``openshell status``: does the gateway answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyopenshell.cli import output, remote
from pyopenshell.errors import OpenShellError

if TYPE_CHECKING:
    import argparse
    from typing import Any

    from pyopenshell.gateway.configuration import Gateway

_ROWS = (("Gateway", "gateway"), ("Server", "server"), ("Status", "status"), ("Version", "version"))
"""How clients find the values: ``Status: Connected``."""
PATIENCE = 10.0
"""Seconds the gateway has to answer."""


def status(arguments: argparse.Namespace) -> int:
    """Print which gateway is meant and whether it answers. 1: it does not, or none is configured."""
    gateway = remote.configured(arguments)
    shape, problem = _ask(gateway, remote.workspace(arguments))
    if arguments.output != "table":
        output.document(shape, arguments.output)
    else:
        for title, key in _ROWS:
            if shape[key] is not None:
                output.line(f"{title}: {shape[key]}")
    if problem is not None:
        output.error(problem, as_json=arguments.output == "json")
    return 0 if problem is None else 1


def _ask(gateway: Gateway | None, workspace: str) -> tuple[dict[str, Any], OpenShellError | None]:
    shape: dict[str, Any] = dict.fromkeys(("gateway", "server", "status", "version", "health"))
    if gateway is None:
        none = OpenShellError("no gateway is configured", hint="openshell gateway start", code="gateway.none")
        return shape | {"status": "Not configured"}, none
    shape |= {"gateway": gateway.name or "-", "server": str(gateway.endpoint), "status": "Disconnected"}
    try:
        with remote.Remote(gateway, workspace) as there:
            told = there.call("Health", PATIENCE)
            words = there.messages.ServiceStatus.DESCRIPTOR.values_by_number
    except OpenShellError as problem:
        return shape, problem
    health = words[told.status].name.removeprefix("SERVICE_STATUS_").lower() if told.status in words else "unknown"
    shape |= {"status": "Connected", "version": told.version or None, "health": health}
    return shape, None


VERBS = {"status": status}
