"""``runtime.contributors``: which names are read, and what is a mistake."""

import pytest

from pyopenshell.errors import PolicyError
from pyopenshell.policy import load
from pyopenshell.policy.contributors import MAX_NAME
from pyopenshell.policy.model import MAX_CONTRIBUTORS, NamedContributor


def parse(text):
    """Read a policy with this list of contributors."""
    return load.parse(f"version: 1\nruntime:\n  contributors: {text}\n".encode(), "policy.yaml").contributors


def test_none_unless_named():
    """Neither the built-in policy nor an empty list brings in a third party."""
    assert () == load.default().contributors == parse("[]")


def test_names_keep_order_and_place():
    """The place is what errors and grants will name."""
    expected = (NamedContributor("model-cache", 3, 18), NamedContributor("0.b_c-d", 3, 31))
    assert expected == parse("[model-cache, 0.b_c-d]")
    assert MAX_CONTRIBUTORS == len(parse(f"[{', '.join(f'n{number}' for number in range(MAX_CONTRIBUTORS))}]"))


@pytest.mark.parametrize(
    "text",
    [
        "model-cache",
        "{model-cache: true}",
        "[1]",
        "['']",
        "[Model-Cache]",
        "[-cache]",
        "[.cache]",
        "[a b]",
        "['model-cache ']",
        "[a/b]",
        "[a:b]",
        "[é]",
        "[²]",
        f"[{'n' * (MAX_NAME + 1)}]",
        "[twice, once, twice]",
        f"[{', '.join(f'n{number}' for number in range(MAX_CONTRIBUTORS + 1))}]",
    ],
)
def test_mistakes(text):
    """Each is told with its key and its place."""
    with pytest.raises(PolicyError, match=r"runtime\.contributors") as caught:
        parse(text)
    assert 3 == caught.value.line


def test_a_repeated_name_is_told_with_the_line_of_the_first():
    """So that one of the two can be removed."""
    with pytest.raises(PolicyError, match="already named on line 4"):
        parse("\n  - twice\n  - twice")
