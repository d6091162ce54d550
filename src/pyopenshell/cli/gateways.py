"""``openshell gateway``: those that are known here: added, removed, selected, listed, looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyopenshell.cli import output, remote
from pyopenshell.errors import OpenShellError, UsageError
from pyopenshell.gateway import configuration
from pyopenshell.gateway.endpoint import Endpoint

if TYPE_CHECKING:
    import argparse
    from typing import Any

    from pyopenshell.gateway.configuration import Gateway

LARGEST = 1 << 20
"""Bytes that are read of a file with certificates."""
AUTH = {configuration.MTLS: "client certificate", configuration.BEARER: "token", configuration.PLAINTEXT: "none"}


def add(arguments: argparse.Namespace) -> int:
    """Make a gateway known, and the active one. Its keys are copied; nothing is sent to it."""
    endpoint = Endpoint.parse(arguments.endpoint)
    name = arguments.name or _named_after(endpoint)
    if arguments.name is None and name in configuration.names() and configuration.load(name).endpoint != endpoint:
        raise UsageError(f"a gateway {name} is known already, at another address", hint="--name gives this one another")
    parts = {key: _read(key, getattr(arguments, key)) for key in ("ca", "cert", "key")}
    if any(parts.values()) and endpoint.scheme != "https":
        raise UsageError(f"{endpoint} is spoken to without TLS: certificates are of no use", hint="write https://")
    mode = configuration.MTLS if parts["cert"] else configuration.PLAINTEXT if endpoint.scheme == "http" else None
    configuration.add(name, str(endpoint), auth_mode=mode, ca=parts["ca"], certificate=parts["cert"], key=parts["key"])
    configuration.select(name)
    output.line(f"added {name}: {endpoint}, now the active gateway")
    return 0


def _named_after(endpoint: Endpoint) -> str:
    """Return a name made of an address: its host, or for a socket the folder it lies in."""
    host = endpoint.host if endpoint.scheme != "unix" else "socket"
    return host.replace(":", "-").strip("-.") or "gateway"


def _read(option: str, path: str | None) -> bytes | None:
    """Return what a file holds that an option names. Raises OpenShellError, UsageError."""
    if path is None:
        return None
    try:
        with open(path, "rb") as file:
            data = file.read(LARGEST)
    except OSError as error:
        raise OpenShellError(f"--{option} {path}: {error.strerror}", code="gateway.file") from error
    if (b"PRIVATE KEY-----" if option == "key" else b"-----BEGIN CERTIFICATE-----") not in data:
        what = "private key" if option == "key" else "certificate"
        raise UsageError(f"--{option} {path}: it holds no {what} in PEM, which begins with -----BEGIN")
    return data


def remove(arguments: argparse.Namespace) -> int:
    """Forget a gateway and the keys for it."""
    was_active = configuration.active() == arguments.name
    configuration.remove(arguments.name)
    output.line(f"removed {arguments.name}" + ("; no gateway is active now" if was_active else ""))
    return 0


def select(arguments: argparse.Namespace) -> int:
    """Make a gateway the active one, or print which one is. 1: none is."""
    if arguments.name is None:
        active = configuration.active()
        if active is not None:
            output.line(active)
        return 0 if active is not None else 1
    configuration.select(arguments.name)
    output.line(f"{arguments.name} is now the active gateway")
    return 0


def list_(arguments: argparse.Namespace) -> int:
    """Print the gateways that are known."""
    active = configuration.active()
    rows = []
    for name in configuration.names():
        try:
            rows.append(_shape(configuration.load(name), active))
        except OpenShellError as problem:  # one that cannot be read hides no other
            rows.append({**dict.fromkeys(_KEYS), "name": name, "active": name == active, "problem": problem.message})
    if arguments.output != "table":
        output.document(rows, arguments.output)
    elif rows:
        columns = ("name", "active", "endpoint", "authentication")
        output.table(columns, [_row(row) for row in rows])
    else:
        output.line("no gateways yet: openshell gateway start starts one here, openshell gateway add names another")
    return 0


_KEYS = ("name", "active", "endpoint", "auth_mode", "insecure", "problem")


def _shape(gateway: Gateway, active: str | None) -> dict[str, Any]:
    mode = gateway.auth_mode or (configuration.MTLS if gateway.certificate else configuration.PLAINTEXT)
    return {
        "name": gateway.name,
        "active": gateway.name is not None and gateway.name == active,
        "endpoint": str(gateway.endpoint),
        "auth_mode": mode,
        "insecure": gateway.insecure,
        "problem": None,
    }


def _row(shape: dict[str, Any]) -> list[str]:
    mode = shape["problem"] or AUTH.get(shape["auth_mode"], shape["auth_mode"])
    return [shape["name"], "yes" if shape["active"] else "-", shape["endpoint"] or "-", mode]


def info(arguments: argparse.Namespace) -> int:
    """Print how a gateway is reached, and, where it answers, what it is and can do. 1: it does not answer."""
    if arguments.name and (arguments.gateway or arguments.gateway_endpoint):
        raise UsageError("two gateways are named", hint="name one of them")
    arguments.gateway = arguments.name or arguments.gateway
    with remote.required(arguments) as there:
        shape = _shape(there.gateway, configuration.active()) | dict.fromkeys(("version", "drivers", "user", "roles"))
        try:
            told = there.call("GetGatewayInfo")
            who = there.call("GetCurrentUser")
        except OpenShellError as problem:
            if problem.code != remote.UNREACHABLE:
                raise
            shape["problem"] = problem.message
        else:
            shape |= {"version": told.gateway_version, "user": who.subject, "roles": list(who.roles)}
            shape["drivers"] = [f"{one.name} ({_driver(one)})" for one in told.compute_drivers]
    if arguments.output != "table":
        output.document(shape, arguments.output)
    else:
        from pyopenshell.cli.effective_view import fields

        fields(*((key.replace("_", " "), _text(value)) for key, value in shape.items() if value not in (None, [])))
    return 1 if shape["problem"] else 0


def _driver(driver: Any) -> str:
    can = driver.capabilities
    return f"{can.driver_name} {can.driver_version}".strip() or "no version"


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(value) if isinstance(value, list) else str(value)


VERBS = {"add": add, "remove": remove, "select": select, "list": list_, "info": info}
