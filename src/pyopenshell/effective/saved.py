"""A saved effective policy, of which nothing is taken for granted: whoever wrote the file, what is read is one."""

from __future__ import annotations

import json
import typing
from types import UnionType
from typing import Any

from pyopenshell.effective.devices import Devices
from pyopenshell.effective.limits import Limit
from pyopenshell.effective.load import from_dict
from pyopenshell.effective.model import SCHEMA, Effective
from pyopenshell.errors import StateError
from pyopenshell.record import Record

NEEDED = "what is compared is what `openshell policy get NAME --full -o json` prints"
POLICY_KEYS = {"version", "filesystem_policy", "network_policies", "landlock", "process", "runtime"}
FAMILY = SCHEMA.rpartition("/")[0]


def parse(data: bytes, source: str) -> Effective:
    """Return the effective policy in a file's content; ``source`` names the file in errors.

    The shape itself, or a document that holds it under ``effective``, as those of ``sandbox inspect`` and
    ``run --explain`` do. Raises StateError (code ``effective.invalid``) for everything else, whatever it is.
    """
    try:
        shape = json.loads(data)
    except RecursionError:
        raise unusable(source, "it is nested too deeply") from None
    except ValueError as error:
        raise unusable(source, _no_json(data, error)) from None
    if isinstance(shape, dict) and "schema" not in shape and isinstance(shape.get("effective"), dict):
        shape = shape["effective"]
    return load(shape, source)


def load(shape: object, source: str) -> Effective:
    """Return the effective policy that a JSON value is the shape of. Raises StateError."""
    if not isinstance(shape, dict) or "schema" not in shape:
        policy = isinstance(shape, dict) and POLICY_KEYS & set(shape)
        raise unusable(source, "it is a policy, not an effective policy" if policy else "it is no effective policy")
    schema = str(shape["schema"])
    if schema != SCHEMA:
        if schema.startswith(f"{FAMILY}/"):
            raise unusable(source, f"its schema is {schema}, which a newer openshell wrote; this one reads {SCHEMA}")
        raise unusable(source, f"its schema is {schema}, not {SCHEMA}")
    try:
        effective = from_dict(shape)
    except StateError as error:
        raise unusable(source, error.message.rpartition(" cannot be trusted: ")[2]) from error
    except RecursionError:
        raise unusable(source, "it is nested too deeply") from None
    if not fits(effective, Effective):
        raise unusable(source, "it is not of the documented shape: a value has the wrong type")
    if len({grant.id for grant in effective.grants}) < len(effective.grants):
        raise unusable(source, "two of its grants have the same id")
    return effective


def unusable(source: str, why: str) -> StateError:
    """Return the error for a file that holds no usable effective policy."""
    return StateError(f"{source}: {why}", hint=NEEDED, code="effective.invalid")


def _no_json(data: bytes, error: ValueError) -> str:
    """Say what it is instead, where it is something that is easily mistaken for it."""
    lines = data.decode("utf-8", "replace").splitlines()
    keys = {line.partition(":")[0] for line in lines if ":" in line}
    if not data.strip():
        return "it is empty"
    if any(line.startswith(f"schema: {FAMILY}/") for line in lines):
        return "it is an effective policy as YAML; save it with -o json"
    if POLICY_KEYS & keys:
        return "it is a policy, not an effective policy"
    return f"it is no JSON, or was cut short: {error}"


def fits(value: object, kind: Any) -> bool:
    """Tell whether a value has the type that an annotation of the model names."""
    if kind is Any:
        return True
    if isinstance(kind, UnionType):
        return any(fits(value, one) for one in typing.get_args(kind))
    parts = typing.get_args(kind)
    if typing.get_origin(kind) is tuple:
        return isinstance(value, tuple) and all(fits(item, parts[0]) for item in value)
    if typing.get_origin(kind) is dict:
        return isinstance(value, dict) and all(fits(item, parts[1]) for item in value.values())
    if not isinstance(value, kind) or isinstance(value, bool):
        return False
    if not isinstance(value, Record):
        return True
    hints = typing.get_type_hints(kind, localns={"Any": Any, "Devices": Devices, "Limit": Limit})
    return all(fits(getattr(value, name), hints[name]) for name in value._fields)
