"""Which functions can be run elsewhere as their source, and what is said of the others."""

import functools
import os as system
import pathlib
from types import FunctionType
from typing import Any

import pytest

from pyopenshell.testing.shipping import task

WORD = "taken from around it"


def executed(function, *arguments):
    """Run what would be sent in an empty namespace here, and return what the function returns."""
    told = task(function, arguments)
    names: dict[str, Any] = {}
    exec(compile(told["source"], told["file"], "exec"), names)
    return names[told["function"]](*told["arguments"])


def add(one, other=2):
    """What is sent has defaults and a docstring."""
    return one + other


def parts(path):
    """It uses modules of its own module, under the names they have there."""
    return [system.path.basename(path), str(pathlib.PurePath(path).parent)]


def factorial(number: "int") -> "NoSuchType":  # type: ignore[name-defined]  # noqa: F821
    """It uses itself, builtins, and annotations that nothing defines."""
    return 1 if number < 2 else number * factorial(number - 1)


@functools.cache
def decorated():
    """Its decorator stays outside."""
    return "inside"


def test_functions_run_from_their_source():
    """Arguments, defaults, modules, recursion, builtins, a function within another one."""

    def local(items):
        return [sorted(items), max(len(item) for item in items)]

    assert 5 == executed(add, 3)
    assert ["c", "/a/b"] == executed(parts, "/a/b/c")
    assert 24 == executed(factorial, 4)
    assert [["a", "bb"], 2] == executed(local, ["bb", "a"])
    assert "inside" == executed(decorated.__wrapped__)


def uses_word():
    """It uses what it has no right to."""
    return WORD


def test_what_is_around_a_function_is_named():
    """Globals that are no modules, and the variables of an enclosing function, are refused by name."""
    with pytest.raises(ValueError, match=r"^uses_word uses WORD from around it"):
        task(uses_word, ())
    shadow = FunctionType(parts.__code__, {**globals(), "str": "no builtin any more"})
    with pytest.raises(ValueError, match=r"^parts uses str from around it"):
        task(shadow, ())
    around = 1

    def closure():
        return around

    def inner():
        return [WORD for _ in range(2)]

    with pytest.raises(ValueError, match=r"^closure uses around from"):
        task(closure, ())
    with pytest.raises(ValueError, match=r"^inner uses WORD from"):
        task(inner, ())


@pytest.mark.parametrize("wrong", [lambda: 1, len, functools.partial(add, 1), add.__get__(1)])
def test_what_is_no_named_function_is_refused(wrong):
    """Lambdas, builtins, partial objects and methods have no source that stands alone."""
    with pytest.raises(ValueError, match="is no function with a name"):
        task(wrong, ())


def test_arguments_are_json():
    """What would arrive as something else, or not at all, is refused; so are arguments of a piece of source."""
    with pytest.raises(ValueError, match="the arguments of add cannot be told"):
        task(add, [{1, 2}])
    with pytest.raises(ValueError, match="takes no arguments"):
        task("print(1)", [1])


def test_source_may_be_indented():
    """A piece of source is written as it stands in a test."""
    told = task(
        """
        if True:
            found = 3
        """,
        (),
    )
    names: dict[str, Any] = {}
    exec(told["source"], names)
    assert (3, None) == (names["found"], told["function"])
