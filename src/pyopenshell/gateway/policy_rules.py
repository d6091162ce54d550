"""Network policies of OpenShell's protocol as they are written in YAML, and back. Pure, and no judgement.

Both have the same names for almost everything, so the messages' own descriptors lead the way. What a message holds and
YAML has no word for keeps the message's name: the policy parser then refuses it, and nothing is lost unseen.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeAlias

    from google.protobuf.message import Message

    # Of two implementations (Python's and C's), whose classes have nothing in common but their attributes.
    EnumDescriptor: TypeAlias = Any
    FieldDescriptor: TypeAlias = Any

    _Mapping = dict[str, Any]

_BODY = "json_rpc_max_body_bytes"
"""One field of an endpoint, which YAML has under the options of the endpoint's protocol."""


def plain(message: Message) -> Any:
    """Return a message of the network section as YAML has it: mappings, lists and scalars, map keys in order."""
    shape = {field.name: _plain_field(field, value) for field, value in message.ListFields()}
    special = _PLAIN.get(message.DESCRIPTOR.name)
    return special(shape) if special else shape


def fill(message: Message, mapping: _Mapping) -> None:
    """Set in a message what a mapping of a valid policy says."""
    special = _FILL.get(message.DESCRIPTOR.name)
    fields = message.DESCRIPTOR.fields_by_name
    for name, value in (special(mapping) if special else mapping).items():
        field = fields[name]
        if _is_map(field):
            table = getattr(message, name)
            for key in value:
                fill(table[key], value[key])
        elif field.message_type is not None and field.is_repeated:
            for item in value:
                fill(getattr(message, name).add(), item)
        elif field.message_type is not None:
            getattr(message, name).SetInParent()
            fill(getattr(message, name), value)
        elif field.is_repeated:
            getattr(message, name).extend(value)
        else:
            setattr(message, name, _number(field.enum_type, value) if field.enum_type else value)


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def _plain_field(field: FieldDescriptor, value: Any) -> Any:
    if _is_map(field):
        return {key: plain(value[key]) for key in sorted(value)}
    if field.message_type is not None:
        return [plain(item) for item in value] if field.is_repeated else plain(value)
    if field.is_repeated:
        return list(value)
    return _word(field.enum_type, value) if field.enum_type else value


def _prefix(enum: EnumDescriptor) -> str:
    """Return what all names of an enum begin with: that of its value 0 ends in UNSPECIFIED."""
    name: str = enum.values_by_number[0].name
    return name.removesuffix("UNSPECIFIED")


def _word(enum: EnumDescriptor, number: int) -> str:
    """Return the word YAML has for a value; for one that this protocol does not know, its number."""
    value = enum.values_by_number.get(number)
    name: str = value.name.removeprefix(_prefix(enum)) if value else str(number)
    return name.lower().replace("_", "-")


def _number(enum: EnumDescriptor, word: str) -> int:
    number: int = enum.values_by_name[_prefix(enum) + word.upper().replace("-", "_")].number
    return number


def _endpoint(shape: _Mapping) -> _Mapping:
    """Put the size of bodies where YAML has it; a port that is among ``ports`` is not said twice."""
    if _BODY in shape:
        options = shape.setdefault("mcp" if shape.get("protocol") == "mcp" else "json_rpc", {})
        options["max_body_bytes"] = shape.pop(_BODY)
    if shape.get("port") in shape.get("ports", ()):
        if shape["ports"] == [shape["port"]]:
            del shape["ports"]
        else:
            del shape["port"]
    return shape


def _endpoint_fields(mapping: _Mapping) -> _Mapping:
    fields = {key: value for key, value in mapping.items() if key != "json_rpc"}
    for name in ("mcp", "json_rpc"):
        options = dict(mapping.get(name, {}))
        if "max_body_bytes" in options:
            fields[_BODY] = options.pop("max_body_bytes")
            if name in fields:
                fields[name] = options
    return fields


def _matcher(shape: _Mapping) -> Any:
    return shape["glob"] if list(shape) == ["glob"] else shape


def _matcher_fields(value: Any) -> _Mapping:
    return {"glob": value} if isinstance(value, str) else value


def _rule_fields(mapping: _Mapping) -> _Mapping:
    """``tool`` is the short form of ``params.name``."""
    fields = {key: value for key, value in mapping.items() if key != "tool"}
    return fields | ({"params": {"name": mapping["tool"]}} if "tool" in mapping else {})


_PLAIN: dict[str, Callable[[Any], Any]] = {"NetworkEndpoint": _endpoint, "L7QueryMatcher": _matcher}
_FILL: dict[str, Callable[[Any], _Mapping]] = {
    "NetworkEndpoint": _endpoint_fields,
    "L7QueryMatcher": _matcher_fields,
    "L7Allow": _rule_fields,
    "L7DenyRule": _rule_fields,
}
