"""``openshell policy update``: the flags that name single changes, as the protocol's operations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf.json_format import MessageToDict
from openshell._proto import openshell_pb2

from pyopenshell.errors import UsageError
from pyopenshell.gateway import policy_rules

if TYPE_CHECKING:
    import argparse
    from typing import Any

Operation = openshell_pb2.PolicyMergeOperation
_PARTS = ("access", "protocol", "enforcement")


def read(arguments: argparse.Namespace) -> list[Operation]:
    """Return the operations in the order of the flags' kinds: removals first. Raises UsageError."""
    if arguments.binary and not arguments.add_endpoint:
        raise UsageError("--binary says who may use what --add-endpoint adds, and nothing is added")
    operations = [Operation(remove_rule={"rule_name": name}) for name in arguments.remove_rule]
    for text in arguments.remove_endpoint:
        host, port = _endpoint("--remove-endpoint", text.split(":"), text)
        operations.append(
            Operation(remove_endpoint={"rule_name": arguments.rule_name or "", "host": host, "port": port})
        )
    operations += [_added(arguments, text) for text in arguments.add_endpoint]
    operations += [_requests(arguments, "--add-allow", text) for text in arguments.add_allow]
    operations += [_requests(arguments, "--add-deny", text) for text in arguments.add_deny]
    if not operations:
        raise UsageError("policy update: nothing is to be changed", hint="openshell policy update --help")
    return operations


def shape(operations: list[Operation]) -> list[dict[str, Any]]:
    """Return operations as plain data, for people."""
    return [MessageToDict(operation, preserving_proto_field_name=True) for operation in operations]


def _added(arguments: argparse.Namespace, text: str) -> Operation:
    words = text.split(":")
    host, port = _endpoint("--add-endpoint", words[:2], text)
    if len(words) > 2 + len(_PARTS):
        raise _wrong("--add-endpoint", text, "HOST:PORT[:ACCESS[:PROTOCOL[:ENFORCEMENT]]]")
    endpoint: dict[str, Any] = {"host": host, "port": port}
    endpoint |= {name: word for name, word in zip(_PARTS, words[2:], strict=False) if word}
    name = arguments.rule_name or "".join(letter if letter.isalnum() else "_" for letter in f"{host}_{port}").lower()
    operation = Operation()
    operation.add_rule.rule_name = name
    rule = {"name": name, "endpoints": [endpoint], "binaries": [{"path": path} for path in arguments.binary]}
    try:
        policy_rules.fill(operation.add_rule.rule, rule)
    except KeyError as unknown:
        word = str(unknown.args[0]).rpartition("_")[2].lower()
        raise UsageError(
            f"--add-endpoint {text}: {word!r} is not known",
            hint="access: read-only, read-write, full; enforcement: enforce, audit",
        ) from None
    return operation


def _requests(arguments: argparse.Namespace, flag: str, text: str) -> Operation:
    words = text.split(":", 3)
    if len(words) != 4 or not words[2] or not words[3].startswith("/"):
        raise _wrong(flag, text, "HOST:PORT:METHOD:PATH")
    host, port = _endpoint(flag, words[:2], text)
    target = {"rule_name": arguments.rule_name or "", "host": host, "ports": [port]}
    request = {"method": words[2].upper(), "path": words[3]}
    if flag == "--add-allow":
        return Operation(add_allow_rules={"target": target, "rules": [{"allow": request}]})
    return Operation(add_deny_rules={"target": target, "deny_rules": [request]})


def _endpoint(flag: str, words: list[str], text: str) -> tuple[str, int]:
    if len(words) == 2 and words[0] and words[1].isascii() and words[1].isdigit() and 0 < int(words[1]) < 65536:
        return words[0], int(words[1])
    raise _wrong(flag, text, "HOST:PORT")


def _wrong(flag: str, text: str, form: str) -> UsageError:
    return UsageError(f"policy update: {flag} takes {form}, not {text!r}")
