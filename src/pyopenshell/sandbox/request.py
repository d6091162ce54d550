"""What a caller asks for, checked and made plain: a sandbox's CREATE, and a command's COMMAND."""

from __future__ import annotations

import marshal
import math
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

_FOREVER = 1e9
"""Seconds, thirty years: whoever waits that long waits as long as it takes."""
SIZE = (24, 80)
"""Rows and columns of a terminal that nobody gave a size."""
_faithful: dict[tuple[str | None, str], Policy] = {}
"""Policies as their texts say, by file and SHA-256: what a sandbox gets is the text."""
_MOST = 64
_LAST_SIGNAL = 64
"""SIGRTMAX, signal(7)."""


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
    count = -1 if isinstance(gpu, str) and gpu == "all" else gpu
    if not (count is None or (_is_number(count) and -1 <= count < 1 << 31)):
        raise UsageError(f"gpu cannot be {gpu!r}", hint="it is a number of GPUs, 'all', or None")
    if not (name is None or isinstance(name, str)):
        raise UsageError(f"name cannot be {name!r}", hint="it is text, or None")
    if not (max_abi is None or (_is_number(max_abi) and 0 <= max_abi < 1 << 31)):
        raise UsageError(f"max_abi cannot be {max_abi!r}", hint="it is an ABI of Landlock, or None for the newest")
    for name_, value in _variables(env).items():
        _check_variable(name_, value)
    return {
        "command": (),
        "name": name,
        "gpu": count if count is None else int(count),
        "devices": _words(devices, "devices"),
        "cdi_spec_dirs": tuple(map(os.path.abspath, _words(cdi_spec_dirs, "cdi_spec_dirs"))),
        "env": tuple(name if value is None else f"{name}={value}" for name, value in env.items()),
        "workdir": None if workdir is None else _folder(workdir, "workdir"),
        "max_abi": None if max_abi is None else int(max_abi),
        "unsafe_unconfined": bool(unsafe_unconfined),
        "programs": _words(programs, "programs"),
    }


def create(request: dict[str, Any], policy: Policy | None) -> bytes:
    """Return the frame from which the zygote is to make a sandbox. Raises UsageError where there is no folder."""
    from pyopenshell.policy import default, making

    is_default = policy is None or (policy.source.file is None and policy.source.text == default.TEXT)
    payload = marshal.dumps(
        {
            "request": request,
            "policy": None
            if policy is None or is_default
            else (policy.source.file, policy.source.text, making.tree(policy)),
            "environ": dict(os.environ),
            "cwd": _current_folder(request["workdir"]),
        }
    )
    return wire.head(protocol.CREATE, checked(len(payload), "the sandbox's policy and variables")) + payload


def command(
    argv: Sequence[StrPath],
    env: Mapping[str, str] | None,
    cwd: StrPath | None,
    terminal: bool | tuple[int, int],
) -> dict[str, Any]:
    """Return what is asked of the zygote for one command. Raises UsageError."""
    try:
        words = [] if isinstance(argv, (str, bytes)) else [_path(word) for word in argv]
    except TypeError:  # it cannot be iterated over
        words = []
    if not words:
        raise UsageError(f"the command is {argv!r}", hint='it is a list: ["echo", "hello"]')
    if not words[0]:
        raise UsageError("the command's first word is empty", hint="it names the program")
    if any("\0" in word for word in words):
        raise UsageError("a word of the command has a NUL in it", hint="no program can be given one")
    for name, value in _variables(env or {}).items():
        if not isinstance(value, str):
            raise UsageError(f"env: {name!r} cannot be {value!r}", hint="the value of a variable is text")
        _check_variable(name, value)
    return {
        "argv": words,
        "env": dict(env) if env else {},
        "cwd": None if cwd is None else _named(cwd, "cwd"),
        "terminal": _size(terminal),
    }


def checked(length: int, what: str = "the command and its variables") -> int:
    """Return the length of a frame's payload. Raises UsageError where it is more than is taken."""
    if length > wire.MAX_PAYLOAD:
        raise UsageError(
            f"{what} have {length:,} bytes; at most {wire.MAX_PAYLOAD:,} can be passed on",
            hint="pass what is large as input, or in a file",
        )
    return length


def signal(number: int) -> int:
    """Return the number of a signal. Raises UsageError."""
    if not _is_number(number) or not 1 <= number <= _LAST_SIGNAL:
        raise UsageError(
            f"a signal cannot be {number!r}", hint=f"it is a number from 1 to {_LAST_SIGNAL}: signal.SIGTERM"
        )
    return int(number)


def seconds(timeout: object) -> float | None:
    """Return the time a command is given, None for as long as it takes. Raises UsageError."""
    if timeout is None:
        return None
    try:
        limit = math.inf if isinstance(timeout, int) and timeout > _FOREVER else float(timeout)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        limit = math.nan
    if isinstance(timeout, (str, bytes)) or not limit >= 0:
        raise UsageError(f"timeout cannot be {timeout!r}", hint="it is in seconds, or None")
    return None if limit > _FOREVER else limit


def data(given: str | bytes | None) -> bytes | None:
    """Return what is fed to a command, text as UTF-8. Raises UsageError."""
    if given is None:
        return None
    if isinstance(given, str):
        try:
            return given.encode(errors="surrogateescape")
        except UnicodeEncodeError as error:
            raise UsageError(
                f"input has {given[error.start]!r} in it, which is no character", hint="pass bytes"
            ) from error
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
    if not isinstance(terminal, (tuple, list)) or len(terminal) != len(SIZE) or not all(map(_is_number, terminal)):
        raise UsageError(f"terminal cannot be {terminal!r}", hint="it is True, False, or (rows, columns)")
    rows, columns = terminal
    if not (0 < rows < 65536 and 0 < columns < 65536):
        raise UsageError(f"a terminal cannot have {rows} rows and {columns} columns")
    return int(rows), int(columns)


def _is_number(value: object) -> bool:
    """Whether it is a whole number; of the kind of numpy's too. True and False are none."""
    return hasattr(value, "__index__") and not isinstance(value, bool)


def _variables(env: Any) -> Mapping[Any, Any]:
    if not hasattr(env, "items"):
        raise UsageError(f"env cannot be {env!r}", hint='it is a mapping: {"NAME": "value"}')
    return env  # type: ignore[no-any-return]


def _named(path: object, what: str) -> str:
    """Return a path that may name something. Raises UsageError."""
    found = _path(path)  # type: ignore[arg-type]
    if not found or "\0" in found:
        raise UsageError(f"{what} cannot be {path!r}", hint="it is a path")
    return found


def _folder(path: object, what: str) -> str:
    return os.path.abspath(_named(path, what))


def _check_variable(name: object, value: object) -> None:
    if not isinstance(name, str) or not name or "=" in name or "\0" in name:
        raise UsageError(f"env: {name!r} names no variable", hint="a name is text without '='")
    if not (value is None or (isinstance(value, str) and "\0" not in value)):
        raise UsageError(f"env: {name} cannot be {value!r}", hint="the value of a variable is text without NUL")


def _words(given: Sequence[str], what: str) -> tuple[str, ...]:
    if isinstance(given, (str, bytes)):
        raise UsageError(f"{what} is {given!r}", hint=f"it is a list: [{given!r}]")
    try:
        return tuple([_named(word, f"a word of {what}") for word in given])
    except TypeError as error:
        raise UsageError(f"{what} cannot be {given!r}", hint="it is a list of text") from error


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
