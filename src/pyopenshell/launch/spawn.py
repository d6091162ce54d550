"""Starting one program of a sandbox, from its init: with descriptors that were handed in, or with a terminal."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import struct
import termios

from pyopenshell.kernel import process, signals
from pyopenshell.launch import wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, NoReturn

NOT_HERE = (errno.ENOENT, errno.ENOTDIR)
"""Answers after which the next folder of PATH is tried, as execvp(3) does; so is EACCES, which is remembered."""
_DEFAULTS = [number for number in signals.valid_signals() if number not in (signals.SIGKILL, signals.SIGSTOP)]


def start(workload: dict[str, Any], asked: dict[str, Any], descriptors: list[int], workdir: int) -> tuple[int, int]:
    """Start a program; return its pid and the master side of its terminal (-1 without one). Raises OSError.

    ``asked`` has ``argv``, ``env`` (over the sandbox's own), ``cwd`` and ``terminal`` (rows and columns, or None). The
    program leads a session of its own, and has no descriptors but 0 to 2. It starts in ``workdir``, an open folder,
    which programs may have closed to everybody since, or in ``cwd`` from there. Of errors about ``cwd`` and the
    terminal the errno is ``wire.FOLDER``, or ``wire.PTY``, more.
    """
    env = workload["environment"] | asked["env"] if asked["env"] else workload["environment"]
    _enter(workdir, asked["cwd"])
    if asked["terminal"]:
        return _with_terminal(asked["argv"], env, tuple(asked["terminal"]))
    return _spawn(asked["argv"], env, descriptors), -1


def _enter(workdir: int, folder: str | None) -> None:
    """Enter the working directory, or a folder from there. Raises OSError, told from the program's own.

    Before the program is started, and not afterwards: what fails then must not pass for its failure.
    """
    try:
        os.fchdir(workdir)
        if folder is not None:
            os.chdir(folder)
    except (OSError, ValueError) as error:
        number = getattr(error, "errno", None) or errno.EINVAL
        raise OSError(wire.FOLDER + number, os.strerror(number), folder or ".") from error


def _spawn(argv: list[str], env: dict[str, str], descriptors: list[int]) -> int:
    """Start a program without a copy of this process's memory: a fork of an interpreter costs more than the rest."""
    actions = [(os.POSIX_SPAWN_DUP2, fd, target) for target, fd in enumerate(descriptors)]

    def attempt(path: str) -> int:
        return os.posix_spawn(path, argv, env, file_actions=actions, setsid=True, setsigmask=(), setsigdef=_DEFAULTS)

    return _first(argv[0], env, attempt)


def _first(name: str, env: dict[str, str], attempt: Callable[[str], int]) -> int:
    """Return what the first attempt gives that finds its file, in the order of PATH. Raises OSError."""
    refused: OSError | None = None
    for path in _candidates(name, env):
        try:
            return attempt(path)
        except OSError as error:
            if error.errno == errno.EACCES:
                refused = refused or error
            elif error.errno not in NOT_HERE:
                raise
    raise refused or FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)


def _candidates(name: str, env: dict[str, str]) -> Iterator[str]:
    """Yield the files that a command's first word may mean. Those that are not there cost a look, not a process."""
    if "/" in name:
        yield name
        return
    for folder in env.get("PATH", "").split(":"):
        path = f"{folder or '.'}/{name}"
        try:
            if stat.S_ISREG(os.stat(path).st_mode):
                yield path
        except (OSError, ValueError):
            continue


def _with_terminal(argv: list[str], env: dict[str, str], size: tuple[int, ...]) -> tuple[int, int]:
    """Start a program on a terminal of the sandbox's own, of (rows, columns)."""
    try:
        master, slave = os.openpty()
    except OSError as error:
        raise OSError(wire.PTY + (error.errno or errno.EIO), error.strerror) from error
    try:
        fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("4H", *size, 0, 0))
        return _fork(argv, env, slave), master
    except BaseException:
        os.close(master)
        raise
    finally:
        os.close(slave)


def _fork(argv: list[str], env: dict[str, str], slave: int) -> int:
    """Fork, and return the pid once it has executed the program. Raises OSError."""
    read, write = os.pipe()
    try:
        try:
            pid = os.fork()
            if pid == 0:
                _exec(argv, env, slave, write)
        finally:
            os.close(write)
        failure = os.read(read, 4)
    finally:
        os.close(read)
    if failure:
        number = int.from_bytes(failure, "little")
        raise OSError(number, os.strerror(number), argv[0])
    return pid


def _exec(argv: list[str], env: dict[str, str], slave: int, failure: int) -> NoReturn:
    """Become the program: leader of a session whose terminal is the slave."""
    try:
        os.setsid()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
        for fd in (0, 1, 2):
            os.dup2(slave, fd)
        process.reset_signals()
        _first(argv[0], env, lambda path: os.execve(path, argv, env))  # noqa: S606
    except (OSError, ValueError) as error:
        os.write(failure, (getattr(error, "errno", None) or errno.EINVAL).to_bytes(4, "little"))
    finally:
        os._exit(125)
