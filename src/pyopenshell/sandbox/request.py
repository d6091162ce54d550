"""What a caller asks for, checked and made plain: a sandbox's CREATE, and a command's COMMAND."""

from __future__ import annotations

import marshal
import os

from pyopenshell.errors import OpenShellError, UsageError
from pyopenshell.launch import wire
from pyopenshell.zygote import protocol

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, Literal

    from pyopenshell.policy.model import Policy

    StrPath = str | os.PathLike[str]

SIZE = (24, 80)
"""Rows and columns of a terminal that nobody gave a size."""
_faithful: dict[tuple[str | None, str], Policy] = {}
"""Policies as their texts say, by file and SHA-256: what a sandbox gets is the text."""
_MOST = 64


def policy_of(given: Policy | StrPath | None) -> Policy | None:
    """Return the policy that is meant, None for the built-in one. Raises as ``Policy.load``, and UsageError."""
    from pyopenshell.policy.model import Policy

    if given is None:
        return None
    if isinstance(given, str) and "\n" in given:
        raise UsageError("the policy is text, and should be a path", hint="use Policy.parse for its text")
    if not isinstance(given, (Policy, str, os.PathLike)):
        raise UsageError(f"the policy is {given!r}", hint="it is a path or a Policy; Policy.from_dict takes a mapping")
    policy = given if isinstance(given, Policy) else Policy.load(given)
    key = (policy.source.file, policy.source.sha256)
    said = _faithful.get(key)
    if said is None:
        from pyopenshell.policy import default

        is_default = policy.source.file is None and policy.source.text == default.TEXT
        said = default.default() if is_default else Policy.parse(policy.source.text, policy.source.file)
        if len(_faithful) >= _MOST:
            _faithful.clear()
        _faithful[key] = said
    if said != policy:
        raise UsageError(
            "this policy is not what its text says: it was changed after it was read",
            hint="change the text and use Policy.parse, or a mapping and Policy.from_dict",
        )
    return policy


def fields(
    *,
    name: str | None,
    gpu: int | Literal["all"] | None,
    devices: Sequence[str],
    cdi_spec_dirs: Sequence[str],
    env: Mapping[str, str | None],
    workdir: StrPath | None,
    programs: Sequence[str],
    max_abi: int | None,
    unsafe_unconfined: bool,
) -> dict[str, Any]:
    """Return the fields of a ``RunRequest`` but for the policy. Raises UsageError."""
    count = -1 if gpu == "all" else gpu
    if not (count is None or (isinstance(count, int) and count >= -1)):
        raise UsageError(f"gpu cannot be {gpu!r}", hint="it is a number of GPUs, 'all', or None")
    for name_, value in env.items():
        _check_variable(name_, value)
    return {
        "command": (),
        "name": name,
        "gpu": count if count is None else int(count),
        "devices": _words(devices, "devices"),
        "cdi_spec_dirs": tuple(os.path.abspath(folder) for folder in _words(cdi_spec_dirs, "cdi_spec_dirs")),
        "env": tuple(name if value is None else f"{name}={value}" for name, value in env.items()),
        "workdir": None if workdir is None else os.path.abspath(_path(workdir)),
        "max_abi": max_abi,
        "unsafe_unconfined": bool(unsafe_unconfined),
        "programs": _words(programs, "programs"),
    }


def create(request: dict[str, Any], policy: Policy | None) -> bytes:
    """Return the frame from which the zygote is to make a sandbox. Raises UsageError where there is no folder."""
    from pyopenshell.policy import default, making

    is_default = policy is None or (policy.source.file is None and policy.source.text == default.TEXT)
    if policy is not None and not is_default:
        making.keep(policy)
    payload = marshal.dumps(
        {
            "request": request,
            "policy": None if policy is None or is_default else (policy.source.file, policy.source.text),
            "environ": dict(os.environ),
            "cwd": _current_folder(request["workdir"]),
        }
    )
    return wire.head(protocol.CREATE, len(payload)) + payload


def command(
    argv: Sequence[StrPath],
    env: Mapping[str, str] | None,
    cwd: StrPath | None,
    terminal: bool | tuple[int, int],
) -> dict[str, Any]:
    """Return what is asked of the zygote for one command. Raises UsageError."""
    if isinstance(argv, (str, bytes)) or not argv:
        raise UsageError(f"the command is {argv!r}", hint='it is a list: ["echo", "hello"]')
    words = [_path(word) for word in argv]
    if any("\0" in word for word in words):
        raise UsageError("a word of the command has a NUL in it", hint="no program can be given one")
    for name, value in (env or {}).items():
        if not isinstance(value, str):
            raise UsageError(f"env: {name!r} cannot be {value!r}", hint="the value of a variable is text")
        _check_variable(name, value)
    return {
        "argv": words,
        "env": dict(env) if env else {},
        "cwd": None if cwd is None else _path(cwd),
        "terminal": _size(terminal),
    }


def seconds(timeout: float | None) -> float | None:
    """Return the time a command is given, None for as long as it takes. Raises UsageError."""
    if timeout is None or timeout == float("inf"):
        return None
    if not timeout >= 0:
        raise UsageError(f"timeout cannot be {timeout!r}", hint="it is in seconds, or None")
    return timeout


def data(given: str | bytes | None) -> bytes | None:
    """Return what is fed to a command, text as UTF-8. Raises UsageError."""
    if given is None:
        return None
    if isinstance(given, str):
        return given.encode(errors="surrogateescape")
    try:
        return bytes(memoryview(given))
    except TypeError as error:
        raise UsageError(f"input cannot be {type(given).__name__}", hint="it is text or bytes") from error


def starved(error: OSError) -> OpenShellError:
    """Return the error for a process that has not enough descriptors, or memory, for one more command."""
    return OpenShellError(
        f"cannot start another command: {error.strerror}",
        hint="raise the limit of open files (ulimit -n), or run fewer at once",
        code="system",
    )


def _size(terminal: bool | tuple[int, int]) -> tuple[int, int] | None:
    if isinstance(terminal, bool):
        return SIZE if terminal else None
    rows, columns = terminal
    if not (0 < rows < 65536 and 0 < columns < 65536):
        raise UsageError(f"a terminal cannot have {rows} rows and {columns} columns")
    return int(rows), int(columns)


def _check_variable(name: object, value: object) -> None:
    if not isinstance(name, str) or not name or "=" in name or "\0" in name:
        raise UsageError(f"env: {name!r} names no variable", hint="a name is text without '='")
    if not (value is None or (isinstance(value, str) and "\0" not in value)):
        raise UsageError(f"env: {name} cannot be {value!r}", hint="the value of a variable is text without NUL")


def _words(given: Sequence[str], what: str) -> tuple[str, ...]:
    if isinstance(given, (str, bytes)):
        raise UsageError(f"{what} is {given!r}", hint=f"it is a list: [{given!r}]")
    return tuple(_path(word) for word in given)


def _path(word: StrPath) -> str:
    try:
        found: str | bytes = os.fspath(word)
    except TypeError as error:
        raise UsageError(f"{word!r} is neither text nor a path") from error
    return os.fsdecode(found)


def _current_folder(workdir: str | None) -> str:
    try:
        return os.getcwd()
    except FileNotFoundError as error:
        if workdir is not None:
            return "/"
        hint = "change to an existing folder, or name one as workdir"
        raise UsageError("the current folder has been deleted", hint=hint) from error
