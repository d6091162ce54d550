"""Rules over the keys of one endpoint: what needs what, and what excludes what."""

from __future__ import annotations

from pyopenshell.policy.check import part, value
from pyopenshell.policy.document import Node
from pyopenshell.policy.network.fields import REQUEST_PROTOCOLS
from pyopenshell.policy.network.rules import check_rules

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyopenshell.policy.problems import Problems

    Mistake = tuple[str | None, str, str]
    """The key at which it stands (None: the endpoint as a whole), what is wrong, what to do."""

# Keys that mean something for some protocols only, and for which. 'enforcement' without a protocol means nothing
# either, but is common and harmless: whole connections are allowed or denied in any case.
_ONLY_FOR = {
    "deny_rules": REQUEST_PROTOCOLS,
    "path": REQUEST_PROTOCOLS,
    "request_body_credential_rewrite": ("rest",),
    "websocket_credential_rewrite": ("rest", "websocket"),
    "persisted_queries": ("graphql", "websocket"),
    "graphql_persisted_queries": ("graphql", "websocket"),
    "graphql_max_body_bytes": ("graphql",),
    "mcp": ("mcp",),
    "json_rpc": ("json-rpc",),
}
_NOT_FOR_TCP = (
    "enforcement",
    "access",
    "rules",
    "allow_encoded_slash",
    "credential_signing",
    "signing_service",
    "signing_region",
)


def label(node: Node) -> str:
    """Return the endpoint as people write it: ``host:port``, with all its ports or addresses."""
    host = value(node, "host") or ",".join(item.value for item in value(node, "allowed_ips", ()) if item.value)
    return f"{host or '?'}:{','.join(str(port) for port in ports(node)) or '?'}"


def ports(node: Node) -> tuple[int, ...]:
    """Return the endpoint's valid ports."""
    single = value(node, "port")
    several = tuple(item.value for item in value(node, "ports", ()) if item.kind == "integer")
    return (single,) if single else several


def check_endpoint(node: Node, key: str, problems: Problems) -> None:
    """Note what is missing from an endpoint and what does not fit together."""
    for name, message, hint in _mistakes(node):
        if name is None:
            problems.add(message, node.line, node.column, key=key, hint=hint)
        else:
            place = node.value[name].key or node.value[name]
            problems.add(message, place.line, place.column, key=f"{key}.{name}", hint=hint)
    protocol = value(node, "protocol")
    if protocol in REQUEST_PROTOCOLS:
        check_rules(node, protocol, key, problems)


def _mistakes(node: Node) -> Iterator[Mistake]:
    yield from _destination(node)
    yield from _credentials(node)
    if "protocol" in node.value and part(node, "protocol") is None:
        return  # Not a protocol: noted already, and nothing else can be said.
    protocol = value(node, "protocol")
    yield from _access(node, protocol)
    yield from _fitting(node, protocol)


def _destination(node: Node) -> Iterator[Mistake]:
    """Find an endpoint without host and addresses, or without port and ports."""
    given = node.value
    if "host" not in given and "allowed_ips" not in given:
        yield None, "'host' is missing", "add host: api.example.com"
    if "port" not in given and "ports" not in given:
        yield None, "'port' is missing", "add port: 443"
    if "port" in given and "ports" in given:
        yield "ports", "'port' and 'ports' exclude each other", "keep one of them"
    for name in ("ports", "allowed_ips"):
        if value(node, name) == ():
            yield name, "the list is empty", "add an item, or remove the key"


def _access(node: Node, protocol: str | None) -> Iterator[Mistake]:
    """Find presets and rules that are missing, empty, ineffective, or both there."""
    given = node.value
    if "access" in given and "rules" in given:
        yield "access", "'access' and 'rules' exclude each other", "keep one of them"
    for name in ("rules", "deny_rules"):
        if value(node, name) == ():
            yield name, "the list is empty", "add a rule, or remove the key"
    if protocol in ("mcp", "json-rpc") and "access" in given:
        yield "access", f"there are no access presets for protocol {protocol}", "allow methods by 'rules'"
    everything = value(part(node, "mcp"), "allow_all_known_mcp_methods", False)
    if protocol in REQUEST_PROTOCOLS and "rules" not in given and "access" not in given and not everything:
        hint = "add rules" if protocol in ("mcp", "json-rpc") else "add access: read-only, or rules"
        yield "protocol", f"protocol {protocol} needs to know what is allowed", hint
    if protocol is None and not _allows_everything(node):
        # OpenShell takes this and lets every request pass; whoever wrote it meant otherwise.
        name = "access" if "access" in given else "rules"
        yield name, "without 'protocol' requests are not examined, and all would pass", "add protocol: rest"


def _allows_everything(node: Node) -> bool:
    """Return whether access and rules of an endpoint, if it has any, allow all requests."""
    if value(node, "access", "full") != "full":
        return False
    rules = [part(item, "allow") for item in value(node, "rules", ())]
    return not rules or any(value(rule, "method") == "*" and value(rule, "path") in ("/**", "**") for rule in rules)


def _fitting(node: Node, protocol: str | None) -> Iterator[Mistake]:
    """Find keys that this protocol does not have: they would be ignored."""
    spoken = f"protocol {protocol}" if protocol else "an endpoint without 'protocol'"
    for name in node.value:
        protocols = _ONLY_FOR.get(name)
        if protocols and protocol not in protocols:
            yield name, f"has no meaning for {spoken}", f"it goes with protocol {' or '.join(protocols)}"
        elif protocol == "tcp" and name in _NOT_FOR_TCP:
            yield name, f"has no meaning for {spoken}", "remove it"
    if protocol in REQUEST_PROTOCOLS and value(node, "tls") == "skip":
        hint = "remove 'tls', or 'protocol' with its rules"
        yield "tls", "requests cannot be examined where TLS is passed through", hint
    if protocol == "tcp" and "host" not in node.value:
        yield "protocol", "protocol tcp needs a 'host'", "add host: db.example.com"
    if value(node, "persisted_queries") == "allow_registered" and "graphql_persisted_queries" not in node.value:
        hint = "add graphql_persisted_queries, or write deny"
        yield "persisted_queries", "no persisted queries are registered", hint


def _credentials(node: Node) -> Iterator[Mistake]:
    """Find what signing of requests lacks, and what it excludes."""
    given = node.value
    if "credential_signing" not in given:
        for name in ("signing_service", "signing_region"):
            if name in given:
                yield name, "has no meaning without credential_signing", "add credential_signing: sigv4"
        return
    if "signing_service" not in given:
        yield "credential_signing", "'signing_service' is missing beside it", "add signing_service: s3, for one"
    if value(node, "request_body_credential_rewrite"):
        yield "request_body_credential_rewrite", "cannot be combined with credential_signing", "keep one of them"
