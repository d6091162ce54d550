"""The hunt for a hidden grant: what really opens inside, anywhere, is held against the grants that are reported."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from tests.confined.landlock.harness import ABI
from tests.confined.launch import world

PLACES = ("/tmp", "/var/tmp", "/dev/shm")
KINDS = {
    "readable": "read_only",
    "writable": "read_write",
    "writable-too": None,
    "other": None,
}
"""Folders of one parent, and how each is declared. One has a name that begins like a declared one's."""

TRY = """
def read(path):
    with open(path) as file:
        file.read()
def append(path):
    os.close(os.open(path, os.O_WRONLY | os.O_APPEND))
def empty(path):
    os.close(os.open(path, os.O_WRONLY | os.O_TRUNC))
def execute(path):
    pid = os.posix_spawn(path, [path], {})
    os.waitpid(pid, 0)
def bind(path):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
def bind_near(folder):
    os.chdir(folder)
    bind("new.socket")
def move_in(folder):
    with open("mine", "w"):
        pass
    os.rename("mine", f"{folder}/mine")
work = os.getcwd()
for folder in given["folders"]:
    os.chdir(work)
    answer[folder] = {
        "list": attempt(os.listdir, folder),
        "read": attempt(read, f"{folder}/file"),
        "execute": attempt(execute, f"{folder}/script"),
        "write": attempt(append, f"{folder}/file"),
        "empty": attempt(empty, f"{folder}/file"),
        "truncate": attempt(os.truncate, f"{folder}/file", 0),
        "make": attempt(lambda: os.close(os.open(f"{folder}/new", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))),
        "make folder": attempt(os.mkdir, f"{folder}/new.folder"),
        "make link": attempt(os.symlink, "/etc", f"{folder}/new.link"),
        "make pipe": attempt(os.mkfifo, f"{folder}/new.pipe"),
        "make socket": attempt(bind, f"{folder}/new.socket"),
        "rename": attempt(os.rename, f"{folder}/moved", f"{folder}/moved.new"),
        "remove": attempt(os.unlink, f"{folder}/victim"),
        "remove folder": attempt(os.rmdir, f"{folder}/victim.folder"),
        "beneath": attempt(append, f"{folder}/folder/file"),
    }
"""
READING = {"list", "read", "execute"}
LACKING = {"truncate"} if ABI < 3 else set()
"""What nobody can do: truncate(2) on a path, where the filter stands in for Landlock's right."""


@pytest.fixture
def parents():
    """A folder in each place, open to everyone by its modes: only the sandbox can deny anything there."""
    found = [Path(tempfile.mkdtemp(prefix="openshell-test.", dir=place)) for place in PLACES]
    for parent in found:
        for name in KINDS:
            furnish(parent / name)
        open_to_all(parent)
    yield found
    for parent in found:
        shutil.rmtree(parent)


def furnish(folder):
    """Put what can be tried on into a new folder."""
    (folder / "folder").mkdir(parents=True)
    (folder / "victim.folder").mkdir()
    for name in ("file", "moved", "victim", "folder/file"):
        (folder / name).write_text("words\n")
    (folder / "script").write_text("#!/bin/sh\n")


def open_to_all(folder):
    """Let everyone do everything, as far as modes go."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o666 if path.name in ("file", "moved", "victim") else 0o777)
        if world.IS_ROOT:
            os.chown(path, world.IDENTITY, -1)


def declared(parents, word):
    """Return the folders that are declared like this."""
    return tuple(parent / name for parent in parents for name, kind in KINDS.items() if kind == word)


@pytest.mark.kernels
def test_exactly_what_was_granted(everywhere, parents):
    """Every operation on every folder, in private places and elsewhere, succeeds where it is granted and only there."""
    policy = world.policy(declared(parents, "read_only"), declared(parents, "read_write"))
    folders = [str(parent / name) for parent in parents for name in KINDS]
    answer = everywhere.ask(TRY, "-q", policy=policy, folders=folders)
    for path, tried in answer.items():
        succeeded = {name for name, result in tried.items() if result == "ok"}
        expected = {"read_only": READING, "read_write": set(tried) - LACKING, None: set()}[KINDS[Path(path).name]]
        assert (path, expected) == (path, succeeded)
        assert set(tried.values()) <= {"ok", "EACCES", "EROFS", "ENOENT"}


def test_links_and_moves_carry_nothing_out(everywhere, parents):
    """A file cannot be moved or linked from where it is readable to where it would be writable."""
    policy = world.policy(declared(parents, "read_only"), declared(parents, "read_write"))
    code = """
for parent in given["parents"]:
    answer[parent] = [
        attempt(os.link, f"{parent}/readable/file", f"{parent}/writable/linked"),
        attempt(os.rename, f"{parent}/readable/file", f"{parent}/writable/taken"),
        attempt(os.rename, f"{parent}/writable/file", f"{parent}/readable/given"),
        attempt(os.link, f"{parent}/other/file", f"{parent}/writable/found"),
        attempt(os.rename, f"{parent}/writable/moved", f"{parent}/writable/folder/moved"),
    ]
"""
    answer = everywhere.ask(code, "-q", policy=policy, parents=[str(parent) for parent in parents])
    for path, results in answer.items():
        within = "ok" if ABI >= 2 else "EXDEV"
        assert (path, set(), within) == (path, set(results[:4]) - {"EACCES", "EXDEV", "EROFS", "ENOENT"}, results[4])


WALK = """
def entries(folder, depth):
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return
    for name in names[:200]:
        path = os.path.join(folder, name)
        yield path
        if depth > 1 and not os.path.islink(path) and os.path.isdir(path):
            yield from entries(path, depth - 1)
def see(path):
    flags = os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    try:
        kind = os.stat(path).st_mode
    except OSError:
        return ""
    if stat.S_ISDIR(kind):
        seen = "list " if attempt(os.listdir, path) == "ok" else ""
        new = os.path.join(path, "openshell-test.new")
        if attempt(os.open, new, flags | os.O_CREAT | os.O_EXCL | os.O_WRONLY) == "ok":
            seen += "make "
            attempt(os.unlink, new)
        return seen
    seen = "read " if attempt(os.open, path, flags | os.O_RDONLY) == "ok" else ""
    return seen + ("write " if attempt(os.open, path, flags | os.O_WRONLY) == "ok" else "")
known = ["/"] + given["top"] + [name for folder in given["top"] for name in given["second"].get(folder, [])]
for path in [*known, *(path for root in given["roots"] for path in entries(root, 2))]:
    own = path.startswith("/proc/self/fd/") or ":[" in os.path.realpath(path)  # its own streams need no grant
    found = "" if own else see(path)
    if found:
        answer[os.path.realpath(path)] = found
"""
NEEDS = {"list": "read_dir", "make": "make_reg", "read": "read_file", "write": "write_file"}


@pytest.mark.kernels
def test_nothing_else_opens(everywhere):
    """All over the file system, what can be listed, read, written or made is what some grant's rights say."""
    top = [f"/{name}" for name in os.listdir("/") if name not in ("proc", "sys")]
    second = {folder: [f"{folder}/{name}" for name in safely_listed(folder)] for folder in top}
    roots = ["/etc", "/dev", "/usr", "/run", "/tmp", "/var", "/home", "/root", "/proc/self", "/proc/sys", "/sys"]
    answer = everywhere.ask(WALK, "-q", "--name", "walk", top=top, second=second, roots=roots)
    grants = everywhere.record("walk").effective["grants"]
    assert len(answer) > 100
    hidden = {}
    for path, found in answer.items():
        missing = {word for word in found.split() if NEEDS[word] not in rights_on(path, grants)}
        if missing:
            hidden[path] = missing
    assert {} == hidden


def safely_listed(folder):
    """Return at most fifty names of what is in a folder, nothing for what is none, or closed."""
    try:
        return sorted(os.listdir(folder))[:50]
    except OSError:
        return []


def rights_on(path, grants):
    """Return the union of the rights that grants give on a path: Landlock adds up the rules on the way to the root."""
    found = set()
    for grant in grants:
        place = grant["resolved"] or grant["path"]
        if path == place or path.startswith(place.rstrip("/") + "/"):
            found |= set(grant["actual"])
    return found


def test_no_file_of_procfs_is_writable(everywhere):
    """None of the process's own files, none of the machine's, though file modes allow a user dozens."""
    code = """
answer["opened"] = []
for folder, _, files in os.walk("/proc/self"):
    for name in files:
        path = f"{folder}/{name}"
        if not os.path.islink(path) and attempt(os.open, path, os.O_WRONLY | os.O_NONBLOCK) == "ok":
            answer["opened"].append(path)
"""
    assert {"opened": []} == everywhere.ask(code, "-q")
