"""``network_policies``: checked in full, so that no mistake waits for the day it is enforced."""

from __future__ import annotations

from pyopenshell.policy.check import checked, items, part, value
from pyopenshell.policy.document import Node
from pyopenshell.policy.fields import NETWORK_POLICIES
from pyopenshell.policy.model import Endpoint, NetworkPolicy
from pyopenshell.policy.network import conflicts
from pyopenshell.policy.network.endpoint import check_endpoint, label
from pyopenshell.policy.network.fields import NETWORK_POLICY
from pyopenshell.policy.problems import join

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyopenshell.policy.problems import Problems

SECTION = NETWORK_POLICIES.replace(item=NETWORK_POLICY)
"""The section with its items: what ``policy.fields`` leaves out."""
MAX_ENDPOINTS = 512
"""Endpoints of one policy: each is compared with all others."""
RESERVED = "_provider_"
"""Beginning of the names that OpenShell gives to rules contributed by providers."""


def build(section: Node, problems: Problems) -> tuple[NetworkPolicy, ...]:
    """Return the entries of the section as models; note every mistake in them."""
    tree = checked(section, SECTION, "network_policies", problems)
    endpoints = []
    for name, entry in tree.value.items():
        key = join("network_policies", name)
        _check_name(name, entry, key, problems)
        nodes = value(entry, "endpoints", ())
        endpoints += [(f"{key}.endpoints[{index}]", node) for index, node in enumerate(nodes) if node.kind == "mapping"]
    for key, node in endpoints:
        check_endpoint(node, key, problems)
    if len(endpoints) > MAX_ENDPOINTS:
        node = endpoints[MAX_ENDPOINTS][1]
        message = f"{len(endpoints)} endpoints are declared; at most {MAX_ENDPOINTS} are allowed"
        problems.add(
            message, node.line, node.column, key="network_policies", hint="use a pattern such as *.example.com"
        )
    else:
        conflicts.check(endpoints, problems)
    return tuple(_entry(name, entry) for name, entry in tree.value.items())


def _check_name(name: str, entry: Node, key: str, problems: Problems) -> None:
    """Refuse names that are empty or reserved."""
    place = entry.key or entry
    if not name:
        problems.add("the name is empty", place.line, place.column, key=key)
    elif name.startswith(RESERVED):
        hint = f"names that begin with {RESERVED} are kept for providers: choose another"
        problems.add("the name is reserved", place.line, place.column, key=key, hint=hint)


def _entry(name: str, entry: Node) -> NetworkPolicy:
    place = entry.key or entry
    return NetworkPolicy(
        key=name,
        name=value(entry, "name", name),
        endpoints=tuple(Endpoint(label(node), node.line) for node in items(entry, "endpoints")),
        binaries=tuple(value(node, "path", "") for node in items(entry, "binaries") if part(node, "path")),
        line=place.line,
    )
