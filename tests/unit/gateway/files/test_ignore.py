"""What an upload leaves out: rules of one folder and of several, against git itself where it is installed."""

import os
import shutil
import subprocess

import pytest

from pyopenshell.gateway.files.ignore import Ignore


def left(folder):
    """The files beneath a folder that are not left out."""
    ignore, found = Ignore(str(folder)), []

    def enter(path):
        place = os.path.join(folder, path)
        try:
            with open(os.path.join(place, ".gitignore"), "rb") as file:
                rules = file.read()
        except OSError:
            rules = b""
        ignore.enter(os.fsencode(path), rules)
        for name in sorted(os.listdir(place)):
            inner = os.path.join(path, name)
            is_folder = os.path.isdir(os.path.join(place, name))
            if ignore.ignores(os.fsencode(inner), is_folder=is_folder):
                continue
            if is_folder:
                enter(inner)
            else:
                found.append(inner)
        ignore.leave()

    enter("")
    return sorted(found)


def lay(folder, files):
    """Make files with these texts."""
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)


PROJECT = {
    ".gitignore": "*.log\n!keep.log\n/build/\ndocs/*.html\n**/cache\n\\#odd\ntrailing \\ \n# a comment\n\n",
    "a.log": "",
    "keep.log": "",
    "build/out": "",
    "src/build/in": "",
    "docs/a.html": "",
    "docs/deep/a.html": "",
    "x/cache/y": "",
    "x/cachet": "",
    "#odd": "",
    "sub/.gitignore": "!b.log\nlocal\n/top\n",
    "sub/b.log": "",
    "sub/c.log": "",
    "sub/local/x": "",
    "sub/deep/local": "",
    "sub/top": "",
    "sub/deep/top": "",
    "sub/deep/.gitignore": "*\n!.gitignore\n!kept\n",
    "sub/deep/kept": "",
    "sub/deep/gone": "",
}


def test_nested_rules_are_those_of_git(tmp_path):
    """Each kind of pattern, and files further down that say otherwise: what is left is what git would add."""
    if not shutil.which("git"):
        pytest.skip("needs: git")
    lay(tmp_path, PROJECT)
    git = ["git", "-c", "core.excludesFile=/dev/null", "-C", str(tmp_path)]
    subprocess.run([*git, "init", "-q"], check=True)
    lay(tmp_path, {".git/info/exclude": "cachet\n"})
    listed = subprocess.run([*git, "ls-files", "-z", "-o", "--exclude-standard"], capture_output=True, check=True)
    assert sorted(os.fsdecode(listed.stdout).split("\0")[:-1]) == left(tmp_path)
    # From a folder inside, the rules above count as well.
    inside = [path.removeprefix("sub/") for path in left(tmp_path) if path.startswith("sub/")]
    assert inside == left(tmp_path / "sub")


def test_without_a_repository_the_rules_are_those_beneath(tmp_path):
    """A folder that is in no repository has its own rules, and those above it do not count."""
    lay(tmp_path, {".gitignore": "a\n", "p/.gitignore": "b\n", "p/a": "", "p/b": "", "p/c": ""})
    assert [".gitignore", "a", "c"] == left(tmp_path / "p")


def test_a_folder_that_is_named_is_taken(tmp_path):
    """Whoever uploads just what is ignored wants it; the rules inside it still count."""
    lay(
        tmp_path,
        {".git/x": "", ".gitignore": "build\n*.o\n", "build/.gitignore": "b\n", "build/a.o": "", "build/b": ""},
    )
    assert [".gitignore", "a.o"] == left(tmp_path / "build")


def test_what_is_no_pattern_is_passed_over(tmp_path):
    """As git does; bytes that are no UTF-8, too, are names like any others."""
    lay(tmp_path, {"a": "", "b": ""})
    (tmp_path / ".gitignore").write_bytes(b"\xef\xbb\xbfa\n!\n/\n\xff\n")
    (tmp_path / os.fsdecode(b"\xff")).touch()
    assert [".gitignore", "b"] == left(tmp_path)
