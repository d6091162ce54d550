"""Patterns of the network section: what may stand in them, and whether two of them can mean the same."""

from __future__ import annotations

from pyopenshell.policy.problems import show

_GLOB = "*?["


def check_path(text: str) -> tuple[str, str | None] | None:
    """Return what is wrong with a pattern for request paths, or None."""
    if not text.startswith(("/", "*")):
        return f"expected a path pattern that begins with '/', found {show(text)}", f"write {show('/' + text)}"
    return None


def check_binary(text: str) -> tuple[str, str | None] | None:
    """Return what is wrong with the path or pattern of a program, or None."""
    if not text.startswith("/"):
        return f"expected the absolute path of a program, found {show(text)}", "'command -v NAME' prints it"
    if ".." in text.split("/"):
        return f"'..' is not allowed in a path, found {show(text)}", "write the path without '..'"
    return None


def is_glob(text: str) -> bool:
    """Return whether ``text`` has characters that stand for others."""
    return any(character in text for character in _GLOB)


def paths_overlap(left: str, right: str) -> bool:
    """Return whether two endpoint paths surely select a common request.

    Decided for equal patterns, for those that select everything, and for folders (``/v1/**``); where it would
    take more than that, the answer is no.
    """
    return left == right or _beneath(left, right) or _beneath(right, left)


def _beneath(path: str, folder: str) -> bool:
    """Return whether all that ``path`` selects lies beneath the folder pattern ``folder``."""
    if folder in ("", "**", "/**"):
        return True
    top = folder.removesuffix("/**")
    return top != folder and not is_glob(top) and (path == top or path.startswith(top + "/"))
