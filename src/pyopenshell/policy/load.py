"""Reading policies: from a file, from bytes, or the built-in one."""

from __future__ import annotations

import os
import stat

from pyopenshell.errors import OpenShellError
from pyopenshell.policy.default import default
from pyopenshell.policy.digest import sha256
from pyopenshell.policy.document import parse as parse_document
from pyopenshell.policy.model import MAX_FILE_SIZE, Policy, Source
from pyopenshell.policy.problems import Problems
from pyopenshell.policy.text import decode
from pyopenshell.policy.validate import validate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyopenshell.policy.document import Node

__all__ = ["default", "load", "parse"]


def load(path: str, cache: str | None = None) -> Policy:
    """Return the policy in the file ``path``, which may be a pipe. ``cache`` is a folder of ``policy.cache``.

    Raises PolicyError with every mistake of the file, or OpenShellError with the code ``policy.unreadable``
    when there is nothing to parse: missing, unreadable, too large, or not a file.
    """
    return parse(_read(path), path, cache)


def parse(data: bytes, file: str | None = None, cache: str | None = None, tree: Node | None = None) -> Policy:
    """Return the policy that ``data`` holds; ``file`` names it in messages. Raises as ``load`` does.

    ``tree`` is what was parsed of it, where somebody who is trusted has done that.
    """
    if len(data) > MAX_FILE_SIZE:
        raise _too_large(f"{len(data):,} bytes", file)
    problems = Problems()
    text = decode(data, problems)
    digest = sha256(data)
    kept = tree
    if cache and kept is None:
        from pyopenshell.policy import cache as kept_trees

        kept = kept_trees.get(cache, digest)
    root = kept or (None if text is None else parse_document(text, problems))
    if text is None or root is None or root.kind == "null":
        if not problems:
            problems.add("the policy is empty", 1, 1, hint="'openshell policy default' prints one to start from")
        raise problems.error(file)
    policy = validate(root, Source(file, digest, text), problems)
    if problems:
        raise problems.error(file)
    if cache and kept is None:
        kept_trees.put(cache, digest, root)
    return policy


def _read(path: str) -> bytes:
    """Return the bytes of a policy file, at most one more than are allowed."""
    try:
        # Before opening: opening a device can do things (a tape rewinds, a watchdog starts).
        _refuse_other(os.stat(path), path)
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY)
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    try:
        status = os.fstat(fd)
        _refuse_other(status, path)
        if status.st_size > MAX_FILE_SIZE:
            raise _too_large(f"{status.st_size:,} bytes", path)
        return _all(fd, path)
    except OSError as error:
        raise _unreadable(path, error) from error
    finally:
        os.close(fd)


def _all(fd: int, path: str) -> bytes:
    """Return everything that ``fd`` still gives; a pipe gives it piece by piece."""
    pieces, left = [], MAX_FILE_SIZE + 1
    while left and (piece := os.read(fd, left)):
        pieces.append(piece)
        left -= len(piece)
    if not left:
        raise _too_large(f"more than {MAX_FILE_SIZE:,} bytes", path)
    return b"".join(pieces)


def _refuse_other(status: os.stat_result, path: str) -> None:
    """Refuse what is neither a regular file nor a pipe."""
    mode = status.st_mode
    if stat.S_ISREG(mode) or stat.S_ISFIFO(mode):
        return
    kinds = ((stat.S_ISDIR, "folder"), (stat.S_ISCHR, "device"), (stat.S_ISBLK, "device"), (stat.S_ISSOCK, "socket"))
    kind = next((name for test, name in kinds if test(mode)), "special file")
    hint = "name the policy file in it" if kind == "folder" else "a policy is a regular file or comes through a pipe"
    raise OpenShellError(f"the policy is a {kind}, not a file", code="policy.unreadable", hint=hint, file=path)


def _unreadable(path: str, error: OSError | ValueError) -> OpenShellError:
    """Return the error for a file that cannot be read."""
    if isinstance(error, FileNotFoundError):
        hint = "check the path; without --policy the built-in policy is used"
    elif isinstance(error, PermissionError):
        hint = "make the file, and the folders above it, readable for whoever starts openshell"
    else:
        hint = None
    reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
    return OpenShellError(f"cannot read the policy: {reason}", code="policy.unreadable", hint=hint, file=path)


def _too_large(size: str, file: str | None) -> OpenShellError:
    """Return the error for a file that is too large to be a policy."""
    message = f"the policy has {size}; at most {MAX_FILE_SIZE:,} are read"
    hint = "is this the right file?"
    return OpenShellError(message, code="policy.unreadable", hint=hint, file=file)
