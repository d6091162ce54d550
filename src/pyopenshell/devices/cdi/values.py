"""What single values of a spec may be: types, hook stages, paths, annotations (the CDI specification, its schema)."""

from __future__ import annotations

from pyopenshell.policy.problems import nearest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

TYPES = ("b", "c", "u", "p")
"""Block, character, unbuffered character and FIFO, as mknod(1) has them."""
HOOKS = ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop")
"""The stages of the OCI runtime specification."""
_BINDS = ("", "bind", "none")
"""Types of a mount that are no filesystem's."""
MAX_PATH = 4096
"""PATH_MAX, the NUL at its end included (limits.h)."""

_LOWER = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")
_WITHIN = _LOWER | frozenset("-._")


def is_bind(kind: str, options: tuple[str, ...]) -> bool:
    """Whether a mount binds a path of the host, as all but special filesystems do."""
    return kind in _BINDS or "bind" in options or "rbind" in options


def wrong_path(path: str) -> str | None:
    """Return what is wrong with an absolute path, in words that follow it, or None."""
    if not path.startswith("/"):
        return "is not absolute"
    if not path.isprintable():
        return "holds characters that cannot be printed"
    if len(path) >= MAX_PATH:
        return f"is longer than {MAX_PATH - 1} characters"
    return None


def meant(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that was probably meant, None where two are as near: ``id`` is neither uid nor gid."""
    ordered = sorted(known)
    first = nearest(name, ordered)
    # Of equally near names the first one is told: another order tells another one.
    return first if first == nearest(name, reversed(ordered)) else None


def hook_mend(name: str) -> str:
    """Return what to write instead of a stage that is not there."""
    stage = meant(name, HOOKS)
    return f"write {stage}" if stage else f"write one of {', '.join(HOOKS)}"


def wrong_closid(name: str) -> str | None:
    """Return what is wrong with the name of a class of service, a folder of resctrl; ``/`` is its root."""
    if name != "/" and (name in (".", "..") or "/" in name or "\n" in name or len(name) >= MAX_PATH):
        return "is no folder's name"
    return None


def wrong_annotation(key: str) -> str | None:
    """Return what is wrong with an annotation's key, a qualified name as Kubernetes has them, or None."""
    prefix, slash, name = key.lower().rpartition("/")
    if slash and not (len(prefix) <= 253 and all(_is_label(part, _LOWER | {"-"}) for part in prefix.split("."))):
        return "what stands before '/' is no DNS name"
    if not (len(name) <= 63 and _is_label(name, _WITHIN)):
        return "a name has up to 63 letters, digits and - . _ between letters or digits"
    return None


def _is_label(text: str, within: frozenset[str]) -> bool:
    return bool(text) and within.issuperset(text) and text[0] in _LOWER and text[-1] in _LOWER
