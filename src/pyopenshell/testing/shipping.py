"""A function as text that another interpreter can run, or why it cannot."""

from __future__ import annotations

import ast
import builtins
import dis
import inspect
import json
import textwrap
from types import CodeType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

LATER = "from __future__ import annotations\n"
"""Annotations are not looked at inside: what they name may not be there."""


def task(code: Callable[..., Any] | str, arguments: Sequence[Any]) -> dict[str, Any]:
    """Return what ``inside`` is told about a function and its arguments, or about a piece of source.

    Raises ValueError for what cannot be told.
    """
    if isinstance(code, str):
        if arguments:
            raise ValueError("a piece of source takes no arguments: write them into it, or give a function")
        return {"source": textwrap.dedent(code), "file": "<source>", "function": None, "arguments": []}
    if not isinstance(code, FunctionType) or code.__name__ == "<lambda>":
        raise ValueError(f"{code!r} is no function with a name: its source is what is run in the sandbox")
    try:
        told = json.loads(json.dumps(list(arguments)))
    except (TypeError, ValueError) as error:
        raise ValueError(f"the arguments of {code.__name__} cannot be told to the sandbox: {error}") from error
    imports = _imports(code)
    source = f"{LATER}{imports}{_source(code)}"
    return {"source": source, "file": f"<{code.__name__}>", "function": code.__name__, "arguments": told}


def _source(function: FunctionType) -> str:
    """Return the function's definition without its decorators, which belong to the test outside."""
    try:
        lines = textwrap.dedent(inspect.getsource(function)).splitlines(keepends=True)
        tree = ast.parse("".join(lines))
    except (OSError, SyntaxError) as error:
        raise ValueError(f"the source of {function.__name__} cannot be had: {error}") from error
    definition = tree.body[0]
    if not isinstance(definition, ast.FunctionDef):
        raise ValueError(f"{function.__name__} is no plain function")
    return "".join(lines[definition.lineno - 1 :])


def _imports(function: FunctionType) -> str:
    """Return import statements for the modules that a function uses by global names. Raises ValueError for others."""
    lines, unknown = "", [*function.__code__.co_freevars]
    for name in dict.fromkeys(_globals(function.__code__)).keys() - {function.__name__}:
        value = function.__globals__.get(name)
        if isinstance(value, ModuleType):
            lines += f"import {value.__name__} as {name}\n"
        elif name in function.__globals__ or not hasattr(builtins, name):
            unknown.append(name)
    if unknown:
        names = " and ".join(sorted(unknown))
        raise ValueError(f"{function.__name__} uses {names} from around it: only modules and arguments go with it")
    return lines


def _globals(code: CodeType) -> Iterator[str]:
    yield from (one.argval for one in dis.get_instructions(code) if one.opname == "LOAD_GLOBAL")
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _globals(constant)
