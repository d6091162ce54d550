"""Changes to the network section, one by one, as clients send them (``PolicyMergeOperation``). Pure functions.

Nothing is guessed: what is to be changed and is not there, or stands for more than one thing, is an error. What is to
be added and is there already changes nothing, so that a request which is sent again does no harm.
"""

from __future__ import annotations

from openshell._proto import sandbox_pb2

from pyopenshell.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from google.protobuf.message import Message
    from openshell._proto import openshell_pb2

    Policy = sandbox_pb2.SandboxPolicy


def merged(policy: Policy, operations: Iterable[openshell_pb2.PolicyMergeOperation]) -> Policy:
    """Return the policy after all operations, in their order; the one that was given stays as it is.

    The result is still to be validated as a whole. Raises UsageError.
    """
    result = sandbox_pb2.SandboxPolicy()
    result.CopyFrom(policy)
    for index, operation in enumerate(operations):
        kind = operation.WhichOneof("operation")
        if kind is None:
            raise UsageError(f"merge_operations[{index}] says nothing to do", hint="set one of its operations")
        try:
            _OPERATIONS[kind](result, getattr(operation, kind))
        except UsageError as error:
            raise UsageError(f"merge_operations[{index}].{kind}: {error.message}", hint=error.hint) from None
    return result


def _add_rule(policy: Policy, wanted: openshell_pb2.AddNetworkRule) -> None:
    """Add a rule, or to the rule of that name the endpoints and binaries that it lacks."""
    name = wanted.rule_name or wanted.rule.name
    if not name:
        raise UsageError("the rule has no name", hint="set rule_name")
    if name not in policy.network_policies:
        policy.network_policies[name].CopyFrom(wanted.rule)
        return
    rule = policy.network_policies[name]
    for endpoint in wanted.rule.endpoints:
        if any(one != endpoint and _destination(one) == _destination(endpoint) for one in rule.endpoints):
            raise UsageError(
                f"rule {name!r} treats {_shown(endpoint)} otherwise already",
                hint="remove that endpoint first, or change it with add_allow_rules and add_deny_rules",
            )
        _extend(rule.endpoints, [endpoint])
    _extend(rule.binaries, wanted.rule.binaries)


def _remove_rule(policy: Policy, wanted: openshell_pb2.RemoveNetworkRule) -> None:
    _rule(policy, wanted.rule_name)
    del policy.network_policies[wanted.rule_name]


def _remove_endpoint(policy: Policy, wanted: openshell_pb2.RemoveNetworkEndpoint) -> None:
    """Remove a port of a host, from one rule or from all, and a rule whose last endpoint goes."""
    changed = False
    for name in [wanted.rule_name] if wanted.rule_name else sorted(policy.network_policies):
        rule = _rule(policy, name)
        before = list(rule.endpoints)
        after = [_without(one, wanted.port) if one.host.lower() == wanted.host.lower() else one for one in before]
        left = [one for one in after if one is not None]
        if left == before:
            continue
        changed = True
        del rule.endpoints[:]
        rule.endpoints.extend(left)
        if not left:
            del policy.network_policies[name]
    if not changed:
        within = f"rule {wanted.rule_name!r} has" if wanted.rule_name else "no rule has"
        raise UsageError(f"{within} {'no' if wanted.rule_name else 'an'} endpoint {wanted.host}:{wanted.port}")


def _without(endpoint: sandbox_pb2.NetworkEndpoint, port: int) -> sandbox_pb2.NetworkEndpoint | None:
    """Return an endpoint without one of its ports, or None where it has no other."""
    if port not in _ports(endpoint):
        return endpoint
    left = [other for other in _ports(endpoint) if other != port]
    if not left:
        return None
    result = sandbox_pb2.NetworkEndpoint()
    result.CopyFrom(endpoint)
    result.port = left[0] if len(left) == 1 else 0
    result.ports[:] = left if len(left) > 1 else []
    return result


def _remove_binary(policy: Policy, wanted: openshell_pb2.RemoveNetworkBinary) -> None:
    """Remove a program from a rule. A rule without programs applies to nothing, so none is opened by this."""
    rule = _rule(policy, wanted.rule_name)
    left = [binary for binary in rule.binaries if binary.path != wanted.binary_path]
    if len(left) == len(rule.binaries):
        raise UsageError(f"rule {wanted.rule_name!r} has no binary {wanted.binary_path!r}")
    del rule.binaries[:]
    rule.binaries.extend(left)


def _add_deny_rules(policy: Policy, wanted: openshell_pb2.AddDenyRules) -> None:
    for endpoint in _targets(policy, wanted.target):
        _extend(endpoint.deny_rules, wanted.deny_rules)


def _add_allow_rules(policy: Policy, wanted: openshell_pb2.AddAllowRules) -> None:
    for endpoint in _targets(policy, wanted.target):
        _extend(endpoint.rules, wanted.rules)


_OPERATIONS: dict[str, Callable[[Policy, Any], None]] = {
    "add_rule": _add_rule,
    "remove_rule": _remove_rule,
    "remove_endpoint": _remove_endpoint,
    "remove_binary": _remove_binary,
    "add_deny_rules": _add_deny_rules,
    "add_allow_rules": _add_allow_rules,
}


def _targets(policy: Policy, target: openshell_pb2.L7RuleTarget) -> list[sandbox_pb2.NetworkEndpoint]:
    """Return the endpoints that a target means. Raises UsageError where there is none."""
    names = [target.rule_name] if target.rule_name else sorted(policy.network_policies)
    wanted = {binary.path for binary in target.binaries}
    found = [
        endpoint
        for rule in (_rule(policy, name) for name in names)
        if not wanted or target.any_binary or wanted <= {binary.path for binary in rule.binaries}
        for endpoint in rule.endpoints
        if endpoint.host.lower() == target.host.lower()
        and set(target.ports) <= set(_ports(endpoint))
        and (not target.HasField("path") or endpoint.path == target.path)
    ]
    if not found:
        ports = ",".join(str(port) for port in target.ports) or "any port"
        raise UsageError(f"no endpoint {target.host}:{ports} is declared", hint="add it first, with add_rule")
    return found


def _rule(policy: Policy, name: str) -> sandbox_pb2.NetworkPolicyRule:
    if name not in policy.network_policies:
        known = ", ".join(sorted(policy.network_policies)[:10]) or "none"
        raise UsageError(f"there is no rule {name!r}", hint=f"rules of this policy: {known}")
    return policy.network_policies[name]


def _ports(endpoint: sandbox_pb2.NetworkEndpoint) -> list[int]:
    return list(endpoint.ports) or [endpoint.port]


def _destination(endpoint: sandbox_pb2.NetworkEndpoint) -> tuple[Any, ...]:
    return endpoint.host.lower(), sorted(_ports(endpoint)), endpoint.path, sorted(endpoint.allowed_ips)


def _shown(endpoint: sandbox_pb2.NetworkEndpoint) -> str:
    return f"{endpoint.host or ','.join(endpoint.allowed_ips)}:{','.join(str(port) for port in _ports(endpoint))}"


def _extend(kept: Any, more: Iterable[Message]) -> None:
    """Append what is not there yet."""
    for one in more:
        if one not in kept:
            kept.append(one)
