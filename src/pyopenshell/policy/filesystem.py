"""``filesystem_policy``: what a path may look like, and which paths may stand together."""

from __future__ import annotations

from pyopenshell.policy.check import items, value
from pyopenshell.policy.document import Node
from pyopenshell.policy.model import MAX_PATH_LENGTH, MAX_PATHS, DeclaredPath, FilesystemPolicy
from pyopenshell.policy.problems import Problems, show

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def check_path(text: str) -> tuple[str, str | None] | None:
    """Return what is wrong with a declared path and what to do, or None."""
    if not text.startswith("/"):
        hint = "paths are taken literally: write the whole path from '/'"
        if text.startswith(("~", "$")):
            hint = "paths are taken literally, nothing is expanded: write the whole path from '/'"
        elif text.startswith("."):
            hint = "write the whole path from '/'; for the working directory use include_workdir: true"
        return f"expected an absolute path, found {show(text)}", hint
    if len(text) > MAX_PATH_LENGTH:
        return f"the path has {len(text)} characters; at most {MAX_PATH_LENGTH} are allowed", None
    if ".." in text.split("/"):
        return f"'..' is not allowed in a path, found {show(text)}", "write the path without '..'"
    return None


def check_writable(text: str) -> tuple[str, str | None] | None:
    """Check a path of ``read_write``: as any path, and never the root."""
    wrong = check_path(text)
    if wrong is None and normal(text) == "/":
        return "'/' must not be writable", "name the folders that the program writes to"
    return wrong


def normal(path: str) -> str:
    """Return an absolute path without empty and ``.`` components. Symbolic links are left as they are."""
    return "/" + "/".join([part for part in path.split("/") if part not in ("", ".")])


def build(section: Node | None, problems: Problems) -> FilesystemPolicy:
    """Return the section as a model; note paths that contradict each other."""
    read_only, read_write = _declared(items(section, "read_only")), _declared(items(section, "read_write"))
    _count(section, problems)
    _repeated(read_only, read_write, problems)
    _writable_inside(read_only, read_write, problems)
    return FilesystemPolicy(value(section, "include_workdir", False), read_only, read_write)


def quiet(section: Node | None, problems: Problems) -> tuple[str, ...]:
    """Return ``kernel_log_quiet`` of the section ``runtime``, each path once."""
    nodes = value(section, "kernel_log_quiet", ())
    if len(nodes) > MAX_PATHS:
        first = nodes[MAX_PATHS]
        message = f"{len(nodes)} paths are listed; at most {MAX_PATHS} are allowed"
        problems.add(message, first.line, first.column, key="runtime.kernel_log_quiet")
    return tuple(dict.fromkeys(normal(node.value) for node in items(section, "kernel_log_quiet")))


def _declared(nodes: Iterable[Node]) -> tuple[DeclaredPath, ...]:
    return tuple(DeclaredPath(normal(node.value), node.line, node.column) for node in nodes)


def _count(section: Node | None, problems: Problems) -> None:
    """Note the first path beyond the limit. Wrong paths count too."""
    nodes = [*value(section, "read_only", ()), *value(section, "read_write", ())]
    if len(nodes) > MAX_PATHS:
        first = nodes[MAX_PATHS]
        message = f"{len(nodes)} paths are declared; at most {MAX_PATHS} are allowed"
        hint = "name a folder instead of the files in it"
        problems.add(message, first.line, first.column, key="filesystem_policy", hint=hint)


def _repeated(read_only: tuple[DeclaredPath, ...], read_write: tuple[DeclaredPath, ...], problems: Problems) -> None:
    """Note a path that stands twice, in one list or in both."""
    seen: dict[str, tuple[str, int]] = {}
    for name, paths in (("read_only", read_only), ("read_write", read_write)):
        for declared in paths:
            if declared.path not in seen:
                seen[declared.path] = name, declared.line
                continue
            other, line = seen[declared.path]
            problems.add(
                f"{show(declared.path)} is already in {other} on line {line}",
                declared.line,
                declared.column,
                key=f"filesystem_policy.{name}",
                hint="keep it in one list, once",
            )


def _writable_inside(
    read_only: tuple[DeclaredPath, ...], read_write: tuple[DeclaredPath, ...], problems: Problems
) -> None:
    """Note a read-only path inside a writable one: Landlock's rules add up, it would be writable (landlock(7))."""
    writable = {declared.path: declared for declared in read_write}
    for declared in read_only:
        parent = declared.path
        while parent.count("/") > 1:
            parent = parent.rpartition("/")[0]
            if parent in writable:
                problems.add(
                    f"{show(declared.path)} lies inside {show(parent)}, which read_write grants on line "
                    f"{writable[parent].line}: it would be writable too",
                    declared.line,
                    declared.column,
                    key="filesystem_policy.read_only",
                    hint="rights add up: grant the writable folders beside it instead of the one around it",
                )
                break
