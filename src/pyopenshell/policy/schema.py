"""The JSON Schema of a policy (draft 2020-12), for editors and for other tools.

``python -m pyopenshell.policy.schema --write`` makes the shipped file from the tables that the checker reads;
``--check`` says whether it is current. The schema knows single values and simple combinations; rules that
compare values with each other are the checker's alone.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from pyopenshell.policy.field import Field
from pyopenshell.policy.fields import POLICY
from pyopenshell.policy.network import SECTION

FILE = Path(__file__).with_name("openshell-policy.schema.json")

_TYPES = {"text": "string", "boolean": "boolean", "list": "array", "mapping": "object", "table": "object"}


def json_schema() -> dict[str, Any]:
    """Return the schema of a whole policy."""
    whole = POLICY.replace(fields={**POLICY.fields, "network_policies": SECTION})
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "OpenShell sandbox policy"}
    return head | _of(whole)


def text() -> str:
    """Return the schema as it is shipped."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def _of(field: Field) -> dict[str, Any]:
    """Return the schema of one field."""
    result: dict[str, Any] = {"description": field.doc}
    if field.kind == "integer":
        result |= {"const": field.low} if field.low == field.high else _range(field)
    elif field.kind == "identity":
        result["type"] = ["string", "integer"]
    elif field.kind == "matcher":
        result["anyOf"] = [{"type": "string"}, _object(field)]
    else:
        result |= _object(field) if field.kind == "mapping" else {"type": _TYPES[field.kind]}
    if field.choices:
        result["enum"] = list(field.choices)
    elif field.kind == "text":
        result["minLength"] = 1
    if field.item is not None:
        result["items" if field.kind == "list" else "additionalProperties"] = _of(field.item)
    if field.default is not None:
        result["default"] = list(field.default) if isinstance(field.default, tuple) else field.default
    return result | field.schema


def _range(field: Field) -> dict[str, Any]:
    return {"type": "integer", "minimum": field.low, "maximum": field.high}


def _object(field: Field) -> dict[str, Any]:
    """Return the keywords for a mapping with known keys."""
    result: dict[str, Any] = {
        "type": "object",
        "properties": {name: _of(part) for name, part in field.fields.items()},
        "additionalProperties": False,
    }
    required = [name for name, part in field.fields.items() if part.required]
    return result | ({"required": required} if required else {})


def main(arguments: list[str]) -> None:
    """Write or check the shipped file. Raises SystemExit when it is not current, and for other arguments."""
    if arguments == ["--write"]:
        FILE.write_text(text(), encoding="utf-8")
    elif arguments != ["--check"]:
        raise SystemExit("usage: python -m pyopenshell.policy.schema --check | --write")
    elif not FILE.is_file() or FILE.read_text(encoding="utf-8") != text():
        raise SystemExit(f"{FILE.name} is not current: run python -m pyopenshell.policy.schema --write")


if __name__ == "__main__":
    main(sys.argv[1:])
