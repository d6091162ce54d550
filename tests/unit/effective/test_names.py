"""The names of files that are shown at other paths, and the places whose rules count for them."""

from hypothesis import given
from hypothesis import strategies as st

from pyopenshell.effective.names import MOST, on_host, places
from tests.unit.effective.cases import STEADY

FOLDER = (("/src", "/opt/x"),)
TWICE = (("/dev/zero", "/dev/one"), ("/dev/zero", "/dev/two"))


def test_without_other_names():
    """A path and the folders above it."""
    assert ("/a/b", "/a", "/") == places("/a/b", ())
    assert "/a/b" == on_host("/a/b", FOLDER)


def test_a_folder_shown_elsewhere():
    """Rules within the tree count by either name; those above it only by the path that was walked."""
    assert ("/src/a", "/src", "/opt/x/a", "/opt/x", "/opt", "/") == places("/opt/x/a", FOLDER)
    assert ("/opt/x/a", "/opt/x", "/src/a", "/src", "/") == places("/src/a", FOLDER)
    assert ("/opt/y", "/opt", "/") == places("/opt/y", FOLDER)
    assert "/src/a" == on_host("/opt/x/a", FOLDER)


def test_a_file_with_three_names():
    """Each counts for the others."""
    for name in ("/dev/zero", "/dev/one", "/dev/two"):
        assert {"/dev/zero", "/dev/one", "/dev/two"} < set(places(name, TWICE))


PATHS = st.lists(st.sampled_from(("a", "b")), min_size=1, max_size=4).map(lambda parts: "/" + "/".join(parts))


@STEADY
@given(PATHS, st.lists(st.tuples(PATHS, PATHS), max_size=4).map(tuple))
def test_whatever_is_shown_where(path, aliases):
    """It comes to an end, however the trees lie in each other, and the path's own folders are always there."""
    found = places(path, aliases)
    assert {path, "/"} <= set(found)
    assert len(found) == len(set(found)) <= MOST * 200
