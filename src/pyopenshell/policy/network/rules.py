"""Allow and deny rules of an endpoint, by the protocol it speaks."""

from __future__ import annotations

from pyopenshell.policy.check import part, value
from pyopenshell.policy.document import Node
from pyopenshell.policy.network.patterns import is_glob
from pyopenshell.policy.problems import nearest, show

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyopenshell.policy.problems import Problems

    Mistake = tuple[str | None, str, str]
    """The key at which it stands (None: the rule as a whole), what is wrong, what to do."""

_GRAPHQL = ("operation_type", "operation_name", "fields")
_HTTP = ("method", "path", "query")
# Which keys a rule may have, and which it must have.
_KEYS = {
    "rest": (_HTTP, ("method", "path")),
    "websocket": ((*_HTTP, *_GRAPHQL), ()),
    "graphql": (_GRAPHQL, ("operation_type",)),
    "mcp": (("method", "tool", "params"), ()),
    "json-rpc": (("method",), ("method",)),
}
_WEBSOCKET_METHODS = ("GET", "WEBSOCKET_TEXT", "*")
_TOOL_CALL = "tools/call"
_ALL_TOOLS = (_TOOL_CALL, "tools/*", "tools/**")


def check_rules(endpoint: Node, protocol: str, key: str, problems: Problems) -> None:
    """Note rules that an endpoint of this protocol cannot have."""
    options = part(endpoint, "mcp")
    allow = [(part(item, "allow"), index) for index, item in enumerate(value(endpoint, "rules", ()))]
    rules = [(rule, f"{key}.rules[{index}].allow") for rule, index in allow if rule is not None]
    single = next((rule for rule, _ in rules if protocol == "mcp" and _tools(rule)), None)
    for index, item in enumerate(value(endpoint, "deny_rules", ())):
        if item.kind == "mapping":
            rules.append((item, f"{key}.deny_rules[{index}]"))
    for rule, place in rules:
        for name, message, hint in _mistakes(rule, protocol, options, single):
            at = rule if name is None else rule.value[name]
            problems.add(message, at.line, at.column, key=f"{place}.{name}" if name else place, hint=hint)


def _mistakes(rule: Node, protocol: str, options: Node | None, single: Node | None) -> Iterator[Mistake]:
    allowed, required = _KEYS[protocol]
    for name in rule.value:
        if name not in allowed:
            yield name, f"rules of protocol {protocol} have no '{name}'", f"they have: {', '.join(allowed)}"
    yield from _missing(rule, required)
    if protocol == "rest":
        yield from _rest(rule)
    elif protocol == "websocket":
        yield from _websocket(rule)
    elif protocol == "json-rpc":
        yield from _json_rpc(rule)
    elif protocol == "mcp":
        yield from _mcp(rule, options)
        yield from _all_tools(rule, single)


def _missing(rule: Node, required: tuple[str, ...]) -> Iterator[Mistake]:
    for name in required:
        if name not in rule.value:
            yield None, f"'{name}' is missing", f"add {name}"


def _rest(rule: Node) -> Iterator[Mistake]:
    method = value(rule, "method", "*")
    if method != "*" and not (method.isascii() and method.isalpha()):
        yield "method", f"expected an HTTP method or *, found {show(method)}", "such as GET"


def _websocket(rule: Node) -> Iterator[Mistake]:
    """Check that a rule is about the connection (HTTP keys) or about GraphQL operations on it."""
    graphql = [name for name in _GRAPHQL if name in rule.value]
    http = [name for name in _HTTP if name in rule.value]
    if graphql and http:
        hint = "write two rules: one for the connection, one for the operations"
        yield graphql[0], f"'{graphql[0]}' and '{http[0]}' cannot stand in one rule", hint
        return
    yield from _missing(rule, ("operation_type",) if graphql else ("method", "path"))
    method = value(rule, "method", "*")
    if method not in _WEBSOCKET_METHODS:
        meant = nearest(method, _WEBSOCKET_METHODS) or "GET"
        message = f"expected one of {', '.join(_WEBSOCKET_METHODS)}, found {show(method)}"
        yield "method", message, f"did you mean '{meant}'?"


def _json_rpc(rule: Node) -> Iterator[Mistake]:
    method = value(rule, "method", "*")
    if method != "*" and is_glob(method):
        message = f"expected the name of a method or *, found {show(method)}"
        yield "method", message, "name each method, or write * for all"


def _mcp(rule: Node, options: Node | None) -> Iterator[Mistake]:
    """Check that methods are literal but for tools/*, and tools are named only where tools are called."""
    method = value(rule, "method")
    if "method" not in rule.value and not value(options, "allow_all_known_mcp_methods", False):
        yield None, "'method' is missing", f"add method: {_TOOL_CALL}"
    if method is not None and is_glob(method) and not method.startswith("tools/"):
        hint = "name the method; patterns are allowed only within tools/"
        yield "method", f"expected an MCP method, found {show(method)}", hint
    named = [name for name in ("tool", "params") if name in rule.value]
    if len(named) == 2:
        yield "params", "'tool' and 'params' mean the same", "keep 'tool'"
    if named and method not in (None, _TOOL_CALL):
        yield named[0], f"only method {_TOOL_CALL} has a tool", f"write method: {_TOOL_CALL}"
    if named and not value(options, "strict_tool_names", True) and any(is_glob(tool) for tool in _tools(rule)):
        hint = "remove strict_tool_names: false, or name each tool"
        yield named[0], "patterns for tools need strict tool names", hint


def _tools(rule: Node) -> list[str]:
    """Return the tool patterns of an MCP rule."""
    matcher = part(rule, "tool") or part(part(rule, "params"), "name")
    if matcher is None or matcher.kind == "string":
        return [matcher.value] if matcher else []
    return [item.value for item in value(matcher, "any", ()) if item.value]


def _all_tools(rule: Node, single: Node | None) -> Iterator[Mistake]:
    """Find a rule for all tool calls beside one that allows single tools, which would be meaningless then."""
    if single is None or "tool" in rule.value or "params" in rule.value:
        return
    if value(rule, "method") in _ALL_TOOLS:
        message = f"covers every tool, and the rule on line {single.line} names single ones"
        yield "method", message, "name the tools here too, or remove one of the rules"
