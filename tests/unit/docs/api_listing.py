"""The public interface as text: every name with its signature, as docs/api.md has to show it.

``python -m tests.unit.docs.api_listing`` writes the signatures in docs/api.md anew, and names what has no entry there.
"""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from types import FunctionType
from typing import TYPE_CHECKING, Any

import pyopenshell
import pyopenshell.errors
import pyopenshell.integrations
from pyopenshell.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PAGE = Path(__file__).parents[3] / "docs" / "api.md"
VALUES = {
    "pyopenshell.sandbox.why": ["InForce"],
    "pyopenshell.effective.why": ["Answer"],
    "pyopenshell.effective.model": ["Grant", "Origin", "Detail", "Finding"],
    "pyopenshell.launch.ending": ["Exit"],
}
"""What attributes of public objects are, and a user's annotations may name: documented as well."""
WIDTH = 100
ENTRY = re.compile(r"^(#{3} `([\w.]+)`\n\n```python signature\n)(.*?)^```$", re.MULTILINE | re.DOTALL)
"""An entry of the page: a heading with a name, and right below it the signature."""
MODULES = re.compile(r"\b(?:[a-z_]+\.)+(?=[A-Z])")
"""What ``repr`` of a type says and a person does not."""
NOT_IN = (Record, Exception, object, tuple, dict)
"""What these bases bring is not repeated at each class."""
HANDED_OUT = frozenset(("AsyncProcess", "AsyncStream", "Events", "Process", "Stream"))
"""Classes whose objects are made by others: how, is of no interest."""
SHARED = frozenset(("as_dict", "replace"))
"""What every record has; the page says so once."""


def modules() -> list[str]:
    """The modules whose names are for users, in the order of the page."""
    found = pkgutil.iter_modules(pyopenshell.integrations.__path__, "pyopenshell.integrations.")
    integrations = [one.name for one in found if hasattr(importlib.import_module(one.name), "__all__")]
    own = ["pyopenshell", "pyopenshell.errors", "pyopenshell.contributor", *integrations, "pyopenshell.testing"]
    return [*own, "pyopenshell.testing.plugin", *VALUES]


def names(module: str) -> list[str]:
    """The public names of one of these modules."""
    found = importlib.import_module(module)
    if module in VALUES:
        return VALUES[module]
    if module == "pyopenshell":
        return list(pyopenshell._PUBLIC)
    if module == "pyopenshell.errors":
        return [name for name, value in vars(found).items() if _is_own_class(value, found) and name[0] != "_"]
    if module.endswith(".plugin"):
        return [name for name in vars(found) if name.startswith("openshell_")]
    return [name for name in found.__all__ if getattr(subprocess, name, None) is not getattr(found, name)]


def listing() -> dict[str, str]:
    """Every public name, with the module it is imported from, and its signature as the page shows it.

    A name that another module of the list exports too, the same object, stands once, where it is first.
    """
    found: dict[str, str] = {}
    seen: dict[int, str] = {}
    for module in modules():
        for name in names(module):
            value = getattr(importlib.import_module(module), name)
            label = name if module in ("pyopenshell", "pyopenshell.errors") else f"{module}.{name}"
            if isinstance(value, (type, FunctionType)) and id(value) in seen:
                continue
            seen[id(value)] = label
            found[label] = render(name, value).replace("'", '"')  # as ruff writes it
    return found


def render(name: str, value: Any) -> str:
    """The signature of a name, one line for each part of it, each ended."""
    if inspect.isclass(value):
        return "".join(f"{line}\n" for line in _class(name, value))
    value = getattr(value, "__pytest_wrapped__", value)
    value = getattr(value, "_get_wrapped_function", lambda: value)()
    if isinstance(value, FunctionType):
        return "\n".join(_call("def " + name, value)) + "\n"
    return f"{name} = {MODULES.sub('', repr(value))}\n"


def _class(name: str, cls: type) -> Iterator[str]:
    owners = _owners(cls)
    bases = ", ".join(base.__name__ for base in cls.__bases__ if base not in (Record, object, *owners))
    head = f"class {name}({bases}):" if bases else f"class {name}:"
    members = [line for owner in reversed(owners) for line in _members(owner, cls)]
    yield head if members else head + " ..."
    for line in members:
        yield f"    {line}"


def _owners(cls: type) -> list[type]:
    """The class and those of its bases of ours whose members are not to be looked up at another entry."""
    public = {id(getattr(pyopenshell, name)) for name in pyopenshell._PUBLIC} if cls.__bases__ else set()
    errors = set() if not issubclass(cls, Exception) else {id(base) for base in cls.__mro__[1:]}
    ours = [one for one in cls.__mro__ if one.__module__.startswith("pyopenshell.") and one not in NOT_IN]
    return [one for one in ours if one is cls or id(one) not in public | errors]


def _members(owner: type, cls: type) -> Iterator[str]:
    fields = [one for one in inspect.get_annotations(owner) if one[0] != "_"]
    for field in fields:
        yield f"{field}: {inspect.get_annotations(owner)[field]}{_default(owner, field)}"
    yield from (f"{name}: {kind}" for name, kind in _attributes(owner).items() if name not in vars(owner))
    for name, value in vars(owner).items():
        if name in fields or (name in SHARED and issubclass(cls, Record)) or (name[0] == "_" and name != "__init__"):
            continue
        if name == "__init__" and (cls.__name__ in HANDED_OUT or issubclass(cls, (Record, Exception))):
            continue
        if name == "__init__" and "__dataclass_fields__" in vars(owner):
            continue
        yield from _member(name, value)


def _attributes(owner: type) -> dict[str, str]:
    """The public attributes that a constructor sets, with their types as far as they are written there."""
    constructor = vars(owner).get("__init__")
    if not isinstance(constructor, FunctionType) or hasattr(owner, "__dataclass_fields__") or issubclass(owner, Record):
        return {}
    parameters = inspect.signature(constructor).parameters
    found: dict[str, str] = {}
    for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(constructor)))):
        if not isinstance(node, (ast.Assign, ast.AnnAssign)):
            continue
        name = ast.unparse(node.targets[0] if isinstance(node, ast.Assign) else node.target)
        if isinstance(node, ast.AnnAssign):
            kind = ast.unparse(node.annotation)
        else:
            given = parameters.get(ast.unparse(node.value))
            kind = given.annotation if given else "..."
        if re.fullmatch(r"self\.[a-z]\w*", name):
            found.setdefault(name.removeprefix("self."), kind)
    return found


def _default(owner: type, field: str) -> str:
    """What is written behind a field of a record or of a dataclass."""
    known = getattr(owner, "__dataclass_fields__", {}).get(field)
    if known is None:
        return f" = {vars(owner)[field]!r}" if field in vars(owner) else ""
    if known.default_factory is not dataclasses.MISSING:
        return " = ..."
    return "" if known.default is dataclasses.MISSING else f" = {known.default!r}"


def _member(name: str, value: Any) -> Iterator[str]:
    if isinstance(value, property):
        assert value.fget is not None
        yield f"{name}: {value.fget.__annotations__.get('return', 'Any')}"
    elif isinstance(value, (classmethod, staticmethod)):
        yield f"@{type(value).__name__}"
        yield from _call(f"def {name}", value.__func__)
    elif isinstance(value, FunctionType):
        word = "async def" if inspect.iscoroutinefunction(value) else "def"
        yield from _call(f"{word} {name}", value)
    elif not callable(value) and not inspect.isdatadescriptor(value):
        yield f"{name} = {value!r}"


def _call(head: str, function: Callable[..., Any]) -> Iterator[str]:
    """A call on one line, or with a line for each parameter where that is too long."""
    if inspect.isgeneratorfunction(getattr(function, "__wrapped__", None)):
        yield "@contextmanager"
    signature = inspect.signature(function)
    parts, named = [], any(one.kind is one.VAR_POSITIONAL for one in signature.parameters.values())
    for index, parameter in enumerate(signature.parameters.values()):
        if index == 0 and parameter.name in ("self", "cls"):
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not named:
            parts.append("*")
            named = True
        parts.append(_parameter(parameter))
    back = signature.return_annotation
    end = "" if back is signature.empty else f" -> {back}"
    line = f"{head}({', '.join(parts)}){end}"
    if len(line) <= WIDTH:
        yield line
        return
    yield f"{head}("
    for part in parts:
        yield f"    {part},"
    yield f"){end}"


def _parameter(parameter: inspect.Parameter) -> str:
    stars = "*" if parameter.kind is parameter.VAR_POSITIONAL else ""
    stars = "**" if parameter.kind is parameter.VAR_KEYWORD else stars
    kind = "" if parameter.annotation is parameter.empty else f": {parameter.annotation}"
    default = "" if parameter.default is parameter.empty else f" = {parameter.default!r}"
    return f"{stars}{parameter.name}{kind}{default}"


def _is_own_class(value: object, module: Any) -> bool:
    return inspect.isclass(value) and value.__module__ == module.__name__


def documented(text: str) -> dict[str, str]:
    """The entries of the page: names and signatures."""
    return {name: signature for _, name, signature in ENTRY.findall(text)}


def main() -> int:
    """Write the signatures anew; return how many names have no entry, or an entry and no meaning any more."""
    text, wanted = PAGE.read_text(encoding="utf-8"), listing()
    text = ENTRY.sub(lambda found: f"{found[1]}{wanted.get(found[2], found[3])}```", text)
    PAGE.write_text(text, encoding="utf-8")
    have = documented(text)
    for name in wanted.keys() - have.keys():
        print(f"no entry: {name}\n{wanted[name]}")
    for name in have.keys() - wanted.keys():
        print(f"not public: {name}")
    return len(wanted.keys() ^ have.keys())


if __name__ == "__main__":
    sys.exit(main())
