"""What a request may say: the bounds, the grammar, and that every refusal names its field."""

from contextlib import suppress

import pytest
from google.protobuf.duration_pb2 import Duration
from hypothesis import given
from hypothesis import strategies as st

from pyopenshell.errors import UsageError
from pyopenshell.gateway import limits, validate
from pyopenshell.gateway.validate import FieldError

GOOD = [
    (validate.sandbox_name, ("demo",)),
    (validate.sandbox_name, ("0-a" + "x" * 60,)),
    (validate.labels, ({},)),
    (validate.labels, ({"team": "a", "example.com/Stage_1": "", "x": "a.b-c_D"},)),
    (validate.annotations, ({"pyopenshell/runtime": '{"ü": 1}\n'},)),
    (validate.environment, ({"PATH": "/bin:ü", "npm_config.x-y": "", "BASH_FUNC_f%%": "() {\n}"}, "environment")),
    (validate.argv, (["sh", "-c", "", "ü\n"],)),
    (validate.argv, (["x"] * limits.ARGUMENTS,)),
    (validate.path, ("/a/b c", "workdir")),
    (validate.port, (65535, "port")),
]
BAD = [
    (validate.sandbox_name, ("",), "name"),
    (validate.sandbox_name, ("-a",), "name"),
    (validate.sandbox_name, ("a" * 64,), "name"),
    (validate.sandbox_name, ("../x",), "name"),
    (validate.sandbox_name, ("A",), "name"),
    (validate.sandbox_name, ("a\n",), "name"),
    (validate.labels, ({"": "a"},), "labels"),
    (validate.labels, ({"a/b/c": ""},), "labels"),
    (validate.labels, ({"/a": ""},), "labels"),
    (validate.labels, ({"a/": ""},), "labels"),
    (validate.labels, ({"Example.com/a": ""},), "labels"),
    (validate.labels, ({"a" * 254 + "/a": ""},), "labels"),
    (validate.labels, ({"team": "a\n"},), "labels.team"),
    (validate.labels, ({"team": "-a"},), "labels.team"),
    (validate.labels, ({"team": "a" * 64},), "labels.team"),
    (validate.labels, ({f"k{number}": "" for number in range(257)},), "labels"),
    (validate.annotations, ({"a b": ""},), "annotations"),
    (validate.annotations, ({"a": "\0"},), "annotations.a"),
    (validate.annotations, ({"a": "x" * (limits.ANNOTATIONS + 1)},), "annotations.a"),
    (validate.annotations, ({"a": "x" * limits.ANNOTATIONS, "b": ""},), "annotations"),
    (validate.environment, ({"": "a"}, "environment"), "environment"),
    (validate.environment, ({"A=B": "a"}, "environment"), "environment"),
    (validate.environment, ({"A B": "a"}, "environment"), "environment"),
    (validate.environment, ({"A\n": "a"}, "environment"), "environment"),
    (validate.environment, ({"A": "a\0b"}, "environment"), "environment.A"),
    (validate.environment, ({"A": "x" * (128 << 10)}, "environment"), "environment.A"),
    (validate.environment, ({f"A{n}": "x" * 65536 for n in range(17)}, "environment"), "environment"),
    (validate.argv, ([],), "command"),
    (validate.argv, ([""],), "command"),
    (validate.argv, (["a", "b\0"],), "command[1]"),
    (validate.argv, (["a", "x" * (128 << 10)],), "command[1]"),
    (validate.argv, (["a"] * (limits.ARGUMENTS + 1),), "command"),
    (validate.argv, (["x" * 65536] * 17,), "command"),
    (validate.environment, ({f"A{n}": "€" * 40_000 for n in range(10)}, "environment"), "environment"),
    (validate.path, ("a/b", "workdir"), "workdir"),
    (validate.path, ("/" + "a" * 4096, "workdir"), "workdir"),
    (validate.path, ("/a\0", "workdir"), "workdir"),
    (validate.port, (0, "port"), "port"),
    (validate.port, (65536, "port"), "port"),
    (validate.terminal, (1 << 31, 80), "rows"),
    (validate.terminal, (24, 65536), "cols"),
    (validate.page_size, (-1,), "page_size"),
    (validate.after, ("../x", []), "page_token"),
    (validate.after, ("x" * 513, []), "page_token"),
    (validate.duration, (Duration(), "timeout"), "timeout"),
    (validate.duration, (Duration(seconds=-1), "timeout"), "timeout"),
    (validate.duration, (Duration(nanos=-1), "timeout"), "timeout"),
    (validate.duration, (Duration(seconds=1, nanos=-1), "timeout"), "timeout"),
    (validate.duration, (Duration(seconds=1, nanos=2_000_000_000), "timeout"), "timeout"),
    (validate.duration, (Duration(seconds=limits.DURATION, nanos=1), "timeout"), "timeout"),
    (validate.duration, (Duration(seconds=(1 << 63) - 1), "timeout"), "timeout"),
    (validate.selector, ("a=b=c",), "label_selector"),
    (validate.selector, ("a,,b",), "label_selector"),
    (validate.selector, ("a in ()b",), "label_selector"),
    (validate.selector, ("a in (b",), "label_selector"),
    (validate.selector, ("=b",), "label_selector"),
    (validate.selector, ("!",), "label_selector"),
    (validate.selector, ("a b",), "label_selector"),
    (validate.selector, ("a=" + "b" * 64,), "label_selector.a"),
    (validate.selector, ("a," * 300 + "a",), "label_selector"),
    (validate.selector, ("a" * 5000,), "label_selector"),
]


@pytest.mark.parametrize(("check", "given"), GOOD)
def test_what_is_taken(check, given):
    """Usual and extreme values of every field are taken."""
    check(*given)


@pytest.mark.parametrize(("check", "given", "field"), BAD)
def test_what_is_refused(check, given, field):
    """Each refusal names its field, first in the message too, and is short whatever was sent."""
    with pytest.raises(FieldError) as refused:
        check(*given)
    assert field == refused.value.field
    assert refused.value.message.startswith(f"{field}: ")
    assert 400 > len(refused.value.message)


@pytest.mark.parametrize(
    ("selector", "fits"),
    [
        ("", True),
        ("team=a", True),
        ("team==a", True),
        ("team = a , stage", True),
        ("team=b", False),
        ("team!=a", False),
        ("team!=b", True),
        ("none!=b", True),
        ("stage", True),
        ("none", False),
        ("!none", True),
        ("!stage", False),
        ("team=", False),
        ("empty=", True),
        ("team in (a, b),stage", True),
        ("team in (b,c)", False),
        ("team notin (b,c)", True),
        ("none notin (b)", True),
        ("team notin (a)", False),
    ],
)
def test_selectors(selector, fits):
    """Every term of a selector must hold; those with ``not`` hold where there is no such label."""
    assert fits == validate.selector(selector)({"team": "a", "stage": "test", "empty": ""})


def test_pages_go_on_where_they_ended():
    """A token stands for the entry it is the id of, and for its place once that is removed."""
    ids = ["01A", "01C", "01D"]
    assert [0, 1, 2, 3, 1, 3] == [validate.after(token, ids) for token in ("", "01A", "01C", "01D", "01B", "01E")]


def test_sizes_that_are_not_given():
    """Nothing means the usual; more than the most is the most."""
    assert [100, 7, 1000] == [validate.page_size(size) for size in (0, 7, 5000)]
    assert ((24, 80), (10, 20)) == (validate.terminal(0, 0), validate.terminal(10, 20))


@given(st.floats(min_value=1e-6, max_value=limits.DURATION))
def test_durations_are_seconds(seconds):
    """A duration within the bounds is its seconds."""
    given = Duration()
    given.FromMicroseconds(round(seconds * 1e6))
    assert abs(seconds - validate.duration(given, "x")) < 1e-6


@given(st.text(max_size=300))
def test_any_text_is_taken_or_refused_with_an_error_of_ours(text):
    """Nothing but UsageError comes of any text in any field."""
    checks = [
        lambda: validate.sandbox_name(text),
        lambda: validate.labels({text: text}),
        lambda: validate.annotations({text: text}),
        lambda: validate.environment({text: text}, "environment"),
        lambda: validate.argv([text]),
        lambda: validate.path(text, "path"),
        lambda: validate.selector(text)({}),
        lambda: validate.after(text, ["a"]),
    ]
    for check in checks:
        with suppress(UsageError):
            check()
