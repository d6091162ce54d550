"""The text of specs: YAML as engines read it, places, and the bounds on hostile files."""

import json

import pytest

from pyopenshell.devices.cdi import document


def parse(text):
    """The root, and the noted faults as (code, line)."""
    noted = []
    data = text if isinstance(text, bytes) else text.encode()
    root = document.parse(data, lambda code, message, mend=None, line=None, column=None: noted.append((code, line)))
    return root, noted


def plain(node):
    """A tree as plain values."""
    if node.kind == "mapping":
        return {name: plain(child) for name, child in node.value.items()}
    return [plain(child) for child in node.value] if node.kind == "sequence" else node.value


SCALARS = [
    ("0", "integer", 0),
    ("-1", "integer", -1),
    ("+7", "integer", 7),
    ("0666", "integer", 0o666),
    ("0o17", "integer", 15),
    ("0x1F", "integer", 31),
    ("0b11", "integer", 3),
    ("1_000", "integer", 1000),
    ("9" * 30, "number", "9" * 30),
    ("08", "number", "08"),
    ("1.5", "number", "1.5"),
    ("1e3", "number", "1e3"),
    (".inf", "string", ".inf"),
    ("195:0", "string", "195:0"),
    ("-", "string", "-"),
    ("²", "string", "²"),
    ("yes", "boolean", True),
    ("Off", "boolean", False),
    ("yEs", "string", "yEs"),
    ("~", "null", None),
    ("Null", "null", None),
    ("", "null", None),
    ("'0'", "string", "0"),
    ('"yes"', "string", "yes"),
    ("!!str 0", "string", "0"),
    ("! 0", "string", "0"),
    ("GPU-1", "string", "GPU-1"),
]


@pytest.mark.parametrize(("text", "kind", "value"), SCALARS, ids=[row[0][:8] or "empty" for row in SCALARS])
def test_scalars(text, kind, value):
    """Values without quotes are typed by YAML 1.1."""
    if text == "-":
        text = "'-'"
    root, noted = parse(f"a: {text}\n")
    assert [] == noted
    assert (kind, value) == (root.value["a"].kind, root.value["a"].value)


def test_places():
    """Values know their line and column, and those of their key."""
    root, _ = parse("é: [ü, {k: v}]\nb:\n  - x\n")
    item = root.value["é"].value[1]
    assert (1, 8) == (item.line, item.column)
    assert (1, 9) == item.value["k"].key
    assert (1, 12) == (item.value["k"].line, item.value["k"].column)
    assert ((2, 1), 3) == (root.value["b"].key, root.value["b"].line)


def test_json_with_tabs_is_read():
    """JSON is YAML, also as tools indent it."""
    value = {"a": [1, "b", None, True, {"c": 'é/\\"'}], "d": {}}
    for indent in (None, 2, "\t"):
        root, noted = parse(json.dumps(value, indent=indent))
        assert (value, []) == (plain(root), noted)


def test_aliases_stand_for_what_they_name():
    """A shared list is there twice, and each copy knows where it stands."""
    root, noted = parse("a: &x [1, 2]\nb: *x\nc: &x d\ne: *x\n")
    assert ({"a": [1, 2], "b": [1, 2], "c": "d", "e": "d"}, []) == (plain(root), noted)
    assert (2, (2, 1)) == (root.value["b"].line, root.value["b"].key)


def test_merge_keys():
    """``<<`` adds what is not there; the first of several mappings decides; where it stands does not matter."""
    root, noted = parse("a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc:\n  <<: [*a, *b]\n  x: 9\n")
    assert ({"x": 9, "y": 1, "z": 2}, []) == (plain(root.value["c"]), noted)
    assert [("wrong-type", 1)] == parse("<<: 1\n")[1]


@pytest.mark.parametrize("text", ["a: &a [*a]\n", "a: &a {b: *a}\n", "a: *nothing\n", "*a : 1\n"])
def test_aliases_to_nothing(text):
    """An alias inside of its own anchor, or without one, is a fault and no loop."""
    assert "alias" in [code for code, _ in parse(text)[1]]


def test_a_bomb_of_aliases():
    """Nine lines that would be a thousand million values are refused at once."""
    lines = ["a: &a [x,x,x,x,x,x,x,x,x,x]"]
    lines += [f"{new}: &{new} [{','.join([f'*{old}'] * 10)}]" for old, new in zip("abcdefgh", "bcdefghi", strict=True)]
    root, noted = parse("\n".join(lines))
    assert (None, ["too-large"]) == (root, [code for code, _ in noted])


def test_a_bomb_of_merges():
    """Merged keys are counted too."""
    big = "a: &a {" + ", ".join(f"k{number}: 1" for number in range(3000)) + "}\n"
    root, noted = parse(big + "b:\n" + "- {<<: *a}\n" * 3000)
    assert (None, ["too-large"]) == (root, [code for code, _ in noted])


def test_more_values_than_any_spec_has(monkeypatch):
    """The bound on values is held within one list."""
    monkeypatch.setattr(document, "MAX_NODES", 100)
    assert [("too-large", 1)] == parse("[" + "x," * 200 + "]")[1]
    assert [] == parse("[" + "x," * 90 + "]")[1]


@pytest.mark.parametrize("opening", ["[", "{a: ", "- "])
def test_deep_nesting(opening):
    """Nesting ends at 32 levels, however deep it goes."""
    for depth in (40, 100_000):
        root, noted = parse(opening * depth)
        assert (None, "too-deep") == (root, noted[0][0])
    closing = {"[": "]", "{a: ": "}", "- ": ""}[opening]
    assert [] == parse(opening * 32 + "x" + closing * 32)[1]


def test_only_the_first_document_is_read():
    """As in engines; what follows is not even parsed."""
    root, noted = parse("a: 1\n---\nb: [\n")
    assert ({"a": 1}, [("several-documents", 2)]) == (plain(root), noted)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (b"a: \xff\n", ("not-text", 1)),
        ("a: b\n".encode("utf-16"), ("not-text", 1)),
        (b"a: b\x00c\n", ("not-text", 1)),
        ('a: "b\\0c"\n', ("not-text", 1)),
        ('\na: "\\e[2J"\n', ("not-text", 2)),
        ("a: b\u202ec\n", ("not-text", 1)),
        (b"\x7fELF\x02\x01\x01" + bytes(range(256)) * 100, ("not-text", 3)),
        ("a: 1\na: 2\n", ("duplicate-key", 2)),
        ("? [a]\n: 1\n", ("wrong-type", 1)),
        ("a: !!python/object:os.system ls\n", ("tag", 1)),
        ("a: !!map {}\n", ("tag", 1)),
        ("a: b: c\n", ("syntax", 1)),
        ("\tb: c\n", ("syntax", 1)),
        ("@\n", ("syntax", 1)),
    ],
)
def test_bad_text(text, fault):
    """Each mistake has its code and its line."""
    assert [fault] == parse(text)[1]


def test_text_of_several_lines():
    """A value may hold newlines and tabs: annotations are text."""
    root, noted = parse("a: |\n  b\n  \tc\n")
    assert ({"a": "b\n\tc\n"}, []) == (plain(root), noted)


@pytest.mark.parametrize("text", ["", "# c\n", "---\n", "--- \n...\n", "\ufeff"])
def test_nothing(text):
    """Where there is nothing, the root is null or there is none."""
    root, noted = parse(text)
    assert root is None or root.kind == "null"
    assert [] == noted
