"""The names of files that are shown at other paths, and what the kernel meets on the way up from each."""

from hypothesis import given
from hypothesis import strategies as st

from pyopenshell.effective.model import Grant, Origin
from pyopenshell.effective.names import Names
from tests.unit.effective.cases import STEADY


def names(*pairs):
    """Return the names where these are shown: (the host's path, the path in the sandbox)."""
    return Names(
        Grant(f"cdi:{target}", target, target, ("read_file",), Origin("cdi", "x"), "", source=source)
        for source, target in pairs
    )


FOLDER = names(("/src", "/opt/x"))


def test_without_other_names():
    """A path and the folders above it."""
    assert ("/a/b", "/a", "/") == names().walked("/a/b")
    assert ("/src/a", "/src", "/") == FOLDER.walked("/src/a")
    assert ("/opt/y", "/opt", "/") == FOLDER.walked("/opt/y")
    assert "/a/b" == FOLDER.on_host("/a/b")


def test_a_folder_shown_elsewhere():
    """The host's tree up to where it is shown, then the folders above the path that was walked."""
    assert ("/src/a", "/src", "/opt", "/") == FOLDER.walked("/opt/x/a")
    assert ("/src", "/opt", "/") == FOLDER.walked("/opt/x")
    assert "/src/a" == FOLDER.on_host("/opt/x/a")


def test_a_file_with_many_names():
    """Every rule on any of them stands on the same file, however many they are."""
    many = names(*(("/dev/zero", f"/dev/n{number}") for number in range(100)))
    assert {"/dev/zero"} == {many.walked(f"/dev/n{number}")[0] for number in range(100)}


def test_what_is_not_walked():
    """A file shown twice, alone and in its folder: the folder's rule does not count for the file that is alone."""
    both = names(("/src/prog", "/b/prog"), ("/src", "/e"))
    assert ("/src/prog", "/b", "/") == both.walked("/b/prog")
    assert ("/src/prog", "/src", "/") == both.walked("/e/prog")


PATHS = st.lists(st.sampled_from(("a", "b")), min_size=1, max_size=4).map(lambda parts: "/" + "/".join(parts))


@STEADY
@given(PATHS, st.lists(st.tuples(PATHS, PATHS), max_size=4))
def test_whatever_is_shown_where(path, pairs):
    """It comes to an end at the root, and begins with the file."""
    found = names(*pairs)
    walked = found.walked(path)
    assert (found.on_host(path), "/") == (walked[0], walked[-1])
