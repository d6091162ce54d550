"""What of ``subprocess.Popen``'s arguments makes sense for a program in a sandbox, and why the rest does not."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyopenshell.errors import CommandError

    StrPath = str | os.PathLike[str]
    Arguments = StrPath | Sequence[StrPath]

_OWN_SESSION = "each program in a sandbox has a session and a process group of its own"
_IDENTITY = "the policy says whom a sandbox runs as (process.run_as_user, run_as_group)"
_WINDOWS = "it is for Windows alone"
REFUSED: dict[str, tuple[tuple[object, ...], str]] = {
    "preexec_fn": ((None,), "no code of this process runs in the sandbox; start a program that does it"),
    "close_fds": ((True,), "a sandbox inherits nothing but its standard streams"),
    "pass_fds": (((), []), "a sandbox inherits nothing but its standard streams"),
    "restore_signals": ((True,), "a sandbox's signals are always as a program expects them"),
    "start_new_session": ((False, True), _OWN_SESSION),
    "process_group": ((None, 0), _OWN_SESSION),
    "user": ((None,), _IDENTITY),
    "group": ((None,), _IDENTITY),
    "extra_groups": ((None,), _IDENTITY),
    "umask": ((-1,), "start a shell that sets it: sh -c 'umask 077; exec …'"),
    "pipesize": ((-1,), "the pipes have the kernel's usual size"),
    "startupinfo": ((None,), _WINDOWS),
    "creationflags": ((0,), _WINDOWS),
}
"""Arguments that are not used: the values that are the same as what happens, and why others are refused."""


_KERNELS = (errno.ENOENT, errno.EACCES, errno.ENOTDIR, errno.ENOEXEC, errno.ELOOP, errno.E2BIG, errno.ENAMETOOLONG)
"""What execve(2) and chdir(2) may answer."""


def refuse(others: dict[str, object]) -> None:
    """Raise TypeError for arguments that nobody knows, ValueError for values that cannot be had."""
    for name, value in others.items():
        if name not in REFUSED:
            raise TypeError(f"Popen() got an unexpected keyword argument {name!r}")
        allowed, why = REFUSED[name]
        if value not in allowed:
            raise ValueError(f"{name}={value!r} cannot be had in a sandbox: {why}")


def command_of(args: Arguments, *, shell: bool, executable: StrPath | None) -> list[str]:
    """Return the words of the command. Raises ValueError for an ``executable`` that differs from the first."""
    words = [args] if isinstance(args, str | bytes | os.PathLike) else [*args]
    if shell:
        return [os.fsdecode(executable or "/bin/sh"), "-c", *map(os.fsdecode, words)]
    if executable is not None:
        raise ValueError("executable cannot be had in a sandbox: a program is found by the first word of its command")
    return [os.fsdecode(word) for word in words]


def os_error(error: CommandError, program: str, cwd: StrPath | None) -> OSError:
    """Return the error that the standard library raises for a program, or a folder, that cannot be had."""
    said = [number for number in _KERNELS if error.message.endswith(os.strerror(number))]
    number = said[0] if said else errno.ENOENT if error.exit_code == 127 else errno.EACCES
    blamed = os.fspath(cwd) if error.code == "command.workdir" and cwd is not None else program
    return OSError(number, os.strerror(number), blamed)  # of the class that fits the number
