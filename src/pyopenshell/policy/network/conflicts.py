"""Endpoints that can match the same traffic must agree on how it is treated."""

from __future__ import annotations

from pyopenshell.policy.check import value
from pyopenshell.policy.document import Node, plain
from pyopenshell.policy.network.endpoint import ports
from pyopenshell.policy.network.fields import REQUEST_PROTOCOLS
from pyopenshell.policy.network.hosts import overlap
from pyopenshell.policy.network.patterns import paths_overlap
from pyopenshell.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyopenshell.policy.problems import Problems

_CONNECTION = ("tls", "allowed_ips")
# What is compared of examined requests, with what holds where the key is not written.
_REQUEST: dict[str, object] = {
    "protocol": None,
    "enforcement": "audit",
    "credential_binding": None,
    "credential_signing": None,
    "signing_service": None,
    "signing_region": None,
    "request_body_credential_rewrite": False,
    "websocket_credential_rewrite": False,
    "allow_uninspected_credentials": False,
}


class _Treatment(Record):
    """What is compared of an endpoint."""

    key: str
    node: Node
    host: str
    ports: frozenset[int]
    path: str
    connection: dict[str, object]
    request: dict[str, object] | None


def check(endpoints: list[tuple[str, Node]], problems: Problems) -> None:
    """Note each endpoint that disagrees with an earlier one it overlaps with."""
    earlier: list[_Treatment] = []
    for key, node in endpoints:
        mine = _treatment(key, node)
        if mine is None:
            continue
        for other in earlier:
            if mine.ports.isdisjoint(other.ports) or not overlap(mine.host, other.host):
                continue
            names = [name for name in _CONNECTION if mine.connection[name] != other.connection[name]]
            if mine.request and other.request and paths_overlap(mine.path, other.path):
                names += [name for name in _REQUEST if mine.request[name] != other.request[name]]
            if names:
                _disagree(mine, other, names, problems)
                break
        earlier.append(mine)


def _treatment(key: str, node: Node) -> _Treatment | None:
    """Return what to compare; None without a host (the addresses are all there is) and where a value is wrong."""
    given = node.value
    if "host" not in given or any(child.kind == "invalid" for child in given.values()):
        return None
    # Of 'tls' only skip changes anything.
    connection = {"tls": value(node, "tls") == "skip", "allowed_ips": _sorted(node, "allowed_ips")}
    request = None
    if value(node, "protocol") in REQUEST_PROTOCOLS:
        request = {name: plain(given[name]) if name in given else unset for name, unset in _REQUEST.items()}
    path = value(node, "path", "")
    return _Treatment(key, node, given["host"].value, frozenset(ports(node)), path, connection, request)


def _sorted(node: Node, name: str) -> list[str]:
    return sorted(str(item.value) for item in value(node, name, ()))


def _disagree(mine: _Treatment, other: _Treatment, names: list[str], problems: Problems) -> None:
    child = mine.node.value.get(names[0])
    place = (child.key or child) if child is not None else mine.node
    message = f"can match the same traffic as the endpoint on line {other.node.line}, but differs in {', '.join(names)}"
    problems.add(message, place.line, place.column, key=mine.key, hint="give both the same, or let their hosts differ")
