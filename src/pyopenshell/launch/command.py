"""Which file a command is, and whether the sandbox's identity can execute it: asked before anything is started."""

from __future__ import annotations

import errno
import marshal
import os
import stat

from pyopenshell.errors import CommandError, IdentityError
from pyopenshell.kernel import process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Self

    from pyopenshell.effective.model import Identity

HEAD = 256
"""Bytes of a file that the kernel looks at to find an interpreter (BINPRM_BUF_SIZE; execve(2))."""
MAX_INTERPRETERS = 4
"""How often the interpreter of a script may be a script itself (execve(2))."""
ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG)


class Access:
    """Says what file modes allow an identity. Calling it with a path asks whether that can be executed or searched.

    Another identity than the caller's (root's privilege) is asked through a child that has become it, one for any
    number of questions; leave the ``with`` block or ``close()`` to end it. Landlock is not considered.
    """

    def __init__(self, identity: Identity) -> None:
        """Fork the child where one is needed. Questions raise IdentityError if it could not become the identity."""
        self.identity = identity
        self._child: int | None = None
        if identity.uid != os.geteuid():
            self._fork()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_exception: object) -> None:
        """Close."""
        self.close()

    def __call__(self, path: str) -> int:
        """Return 0 where the path can be executed, or searched if it is a folder; else the errno."""
        return self.query(path, os.X_OK)

    def query(self, path: str, mode: int) -> int:
        """Return 0 where ``mode`` (os.R_OK, W_OK, X_OK) is allowed, else the errno."""
        return self.reachable([path], mode)[path]

    def reachable(self, paths: Iterable[str], mode: int) -> dict[str, int]:
        """Ask about many paths at once: 0 or an errno for each."""
        paths = list(paths)
        if self._child is None:
            return dict(zip(paths, _answers(paths, mode), strict=True))
        try:
            marshal.dump((paths, mode), self._questions)
            self._questions.flush()
            return dict(zip(paths, marshal.load(self._replies), strict=True))  # noqa: S302 - our own fork wrote it
        except (EOFError, OSError) as error:
            raise IdentityError(
                f"cannot become uid {self.identity.uid}, gid {self.identity.gid} to see what it may access",
                hint="openshell needs CAP_SETUID and CAP_SETGID for another identity than the caller's",
            ) from error

    def close(self) -> None:
        """End the child."""
        if self._child is not None:
            self._replies.close()
            try:
                self._questions.close()
            except BrokenPipeError:  # a question that could not be asked is still in the buffer
                pass
            os.waitpid(self._child, 0)
            self._child = None

    def _fork(self) -> None:
        theirs, ours = os.pipe()
        mine, yours = os.pipe()
        self._child = os.fork()
        if self._child == 0:
            try:
                os.close(ours)
                os.close(mine)
                process.set_ids(self.identity.uid, self.identity.gid, self.identity.groups)
                with open(theirs, "rb") as questions, open(yours, "wb", buffering=0) as replies:
                    while True:
                        replies.write(marshal.dumps(_answers(*marshal.load(questions))))  # noqa: S302 - from our parent
            finally:
                os._exit(0)  # at the latest when the questions end
        os.close(theirs)
        os.close(yours)
        self._questions = open(ours, "wb")  # noqa: SIM115 - closed in close()
        self._replies = open(mine, "rb")  # noqa: SIM115


def as_identity(identity: Identity) -> Access:
    """Return what answers questions as this identity; use it in a ``with`` block."""
    return Access(identity)


def _answers(paths: list[str], mode: int) -> list[int]:
    return [process.access_errno(process.AT_FDCWD, path, mode, process.AT_EACCESS) for path in paths]


def locate(argv0: str, path: str, workdir: str, can_execute: Access) -> str:
    """Return the absolute path of the file that ``argv0`` means for the sandbox's identity.

    With a slash it is a path, relative to ``workdir``; else the first file in the folders of ``path`` that the identity
    can execute. Raises CommandError: exit code 127 where there is none, 126 where it cannot be executed.
    """
    if not argv0 or "\0" in argv0:
        raise CommandError("the command's name is empty or holds a NUL", hint="name a program")
    if "/" in argv0:
        file = os.path.join(workdir, argv0).replace("/./", "/")
        problem = _problem(file, workdir, can_execute)
        if problem:
            raise problem
        return file
    refused = None
    for folder in path.split(":"):  # an empty entry is the working directory
        file = os.path.join(workdir, folder, argv0)
        if os.path.exists(file):
            problem = _problem(file, workdir, can_execute)
            if problem is None:
                return file
            refused = refused or problem
    raise refused or _not_found(argv0, path, workdir, can_execute)


def _problem(file: str, workdir: str, can_execute: Access, depth: int = 0) -> CommandError | None:
    """Return why this file cannot be executed, or None."""
    try:
        mode = os.stat(file).st_mode
    except OSError as error:
        if error.errno in ABSENT:
            link = f" (it is a link to {os.readlink(file)})" if os.path.islink(file) else ""
            return _error(f"cannot execute {file}: {error.strerror}{link}", _near_path(file), 127)
        return _refused(file, error.errno or errno.EACCES, can_execute)
    if stat.S_ISDIR(mode):
        return _error(f"{file} is a folder", "name a program in it", 126)
    if not stat.S_ISREG(mode):
        return _error(f"{file} is not a regular file", "name a program", 126)
    code = can_execute(file)
    return _refused(file, code, can_execute) if code else _interpreter(file, workdir, can_execute, depth)


def _refused(file: str, code: int, can_execute: Access) -> CommandError:
    """Say which folder on the way, or the file itself, keeps the identity out."""
    message = f"cannot execute {file}: {os.strerror(code)}"
    uid = can_execute.identity.uid
    for path in (os.path.realpath(file), file):
        for folder in _folders(path):
            if can_execute(folder):
                info = f"{folder} is {_mode(folder)} and the sandbox runs as uid {uid}"
                hint = f"use a program outside {folder}, or name someone who may enter it in process.run_as_user"
                return _error(f"{message}; {info}", hint, 126)
    if code != errno.EACCES:
        return _error(message, "name another program", 126)
    if _is_noexec(file):
        return _error(f"{message}; its file system is mounted noexec", "use a program on another file system", 126)
    return _error(
        f"{message}; it is {_mode(file)} and the sandbox runs as uid {uid}", f"chmod +x {file}, if it is a program", 126
    )


def _is_noexec(file: str) -> bool:
    try:
        return bool(os.statvfs(file).f_flag & os.ST_NOEXEC)
    except OSError:
        return False  # not reachable for us either


def _folders(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:end]) for end in range(2, len(parts))]


def _mode(path: str) -> str:
    try:
        info = os.stat(path)
    except OSError:
        return "closed"
    return f"{stat.S_IMODE(info.st_mode):04o} of uid {info.st_uid}"


def _interpreter(file: str, workdir: str, can_execute: Access, depth: int) -> CommandError | None:
    """Return why a script's interpreter cannot be executed, or None, for what is no script too."""
    try:
        with open(file, "rb", buffering=0) as script:
            head = script.read(HEAD)
    except OSError:
        return None  # unreadable for us: the kernel will tell
    if not head.startswith(b"#!"):
        return None
    line = head[2:].split(b"\n")[0]
    name = os.fsdecode(line.replace(b"\t", b" ").strip(b" ").split(b" ")[0])
    if not name or "\0" in name:
        return None
    if depth == MAX_INTERPRETERS:
        return _error(f"{file} is a script for a script, too many times over", "name a program that is no script", 126)
    problem = _problem(os.path.join(workdir, name), workdir, can_execute, depth + 1)
    if problem is None:
        return None
    hint = "its lines end as on Windows: remove the carriage returns" if line.endswith(b"\r") else problem.hint
    return _error(f"{file} is a script for {name!r}: {problem.message}", hint, problem.exit_code)


def _not_found(argv0: str, path: str, workdir: str, can_execute: Access) -> CommandError:
    """Return the error with up to three names like this one, among what the identity can execute."""
    from difflib import get_close_matches

    found: dict[str, str] = {}
    for folder in path.split(":"):
        try:
            for name in os.listdir(os.path.join(workdir, folder)):
                found.setdefault(name, os.path.join(workdir, folder, name))
        except OSError:
            continue
    near = [name for name in get_close_matches(argv0, found, 3) if not can_execute(found[name])]
    hint = f"did you mean {' or '.join(near)}?" if near else f"PATH is {path}" if path else "PATH is empty"
    if os.path.isfile(os.path.join(workdir, argv0)):
        hint = f"there is a file of that name in the working directory: write ./{argv0}"
    return CommandError(f"{argv0}: command not found", hint=hint)


def _near_path(file: str) -> str:
    from difflib import get_close_matches

    folder, name = os.path.split(file)
    try:
        near = get_close_matches(name, os.listdir(folder), 1)
    except OSError:
        return f"there is no folder {folder} either" if not os.path.exists(folder) else "name a program that exists"
    return f"did you mean {os.path.join(folder, near[0])}?" if near else "name a program that exists"


def _error(message: str, hint: str | None, exit_code: int) -> CommandError:
    code = "command.not-executable" if exit_code == 126 else "command.not-found"
    error = CommandError(message, hint=hint, code=code)
    error.exit_code = exit_code
    return error
