"""Parsed policies, kept from run to run: importing a YAML parser costs more than all else that a launch imports.

What is kept is the tree of a text that was valid, by the SHA-256 of that text. Validation always runs anew, on the
tree, with the code of today. The folder is in our own state folder, which is refused where anybody else could
write to it.
"""

from __future__ import annotations

import marshal
import os

from pyopenshell import state
from pyopenshell.errors import StateError
from pyopenshell.policy.document import Node

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FORMAT = 1
"""Part of every name: to be raised when the tree or the way it is built changes."""
MOST = 64
"""Trees kept. When there are more, all are thrown away: simpler than keeping book, and as good."""


def get(folder: str, digest: str) -> Node | None:
    """Return the tree of the text with this digest, or None where it is not kept, or cannot be used."""
    try:
        fd = state.open_folder(folder)
        try:
            file = os.open(_name(digest), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=fd)
        finally:
            os.close(fd)
        with open(file, "rb") as stream:
            return node(marshal.loads(stream.read()))  # noqa: S302 - in a folder only we can write to
    except (OSError, StateError, EOFError, ValueError, TypeError):
        return None


def put(folder: str, digest: str, root: Node) -> None:
    """Keep a tree. Where that is not possible nothing is kept, and nothing is said: it only costs time."""
    try:
        fd = state.open_folder(folder)
        try:
            kept = os.listdir(fd)
            for name in kept if len(kept) >= MOST else ():
                os.unlink(name, dir_fd=fd)
            state.write_whole(fd, _name(digest), marshal.dumps(plain(root)))
        finally:
            os.close(fd)
    except (OSError, StateError):
        return


def _name(digest: str) -> str:
    return f"{digest}-{FORMAT}"


def plain(root: Node) -> tuple[Any, ...]:
    """Return a node as nested tuples. A mapping's keys are nodes too: their places are those of mistakes."""
    if root.kind == "mapping":
        value: Any = {name: plain(child) for name, child in root.value.items()}
    elif root.kind == "sequence":
        value = [plain(child) for child in root.value]
    else:
        value = root.value
    return value, root.line, root.column, root.kind, None if root.key is None else plain(root.key)


def node(data: tuple[Any, ...]) -> Node:
    """Return the node of which ``plain`` made this."""
    value, line, column, kind, key = data
    if kind == "mapping":
        value = {name: node(child) for name, child in value.items()}
    elif kind == "sequence":
        value = tuple(node(child) for child in value)
    return Node(value, line, column, kind, None if key is None else node(key))
