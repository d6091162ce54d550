"""The command ``openshell``: from the process's arguments to an exit code.

``run`` goes straight to its module, without argparse: a sandbox must start fast. Whatever goes wrong leaves here as
one line and a documented exit code; a traceback is only printed where ``OPENSHELL_DEBUG`` is set.
"""

from __future__ import annotations

import errno
import gc
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import NoReturn

    from pyopenshell.errors import OpenShellError

INTERRUPTED = 130
BROKEN_PIPE = 141
"""What a shell reports for a program that SIGINT, or SIGPIPE, ended."""
STARVED = {
    errno.EAGAIN: "as many processes run as may: raise the limit (ulimit -u), or end some",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.ENFILE: "the host has as many open files as it can: see /proc/sys/fs/file-nr",
    errno.ENOMEM: "there is not enough memory",
}
"""What to do about the errors of a starved host; these can come from anywhere."""
OURS = 125
"""``run``'s exit code for every failure that is not the command's own."""


def main(argv: list[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    if argv is None and os.geteuid() == 0 and _influenced():
        _isolate(arguments)
    from pyopenshell.kernel.signals import expect_children

    expect_children()
    verbose = arguments[:1] in (["-v"], ["--verbose"])
    is_run = arguments[verbose:][:1] == ["run"]
    try:
        code = _dispatch(arguments[verbose:], is_run=is_run)
        _flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _silence_stdout()
        return BROKEN_PIPE
    except Exception as problem:
        return _report(problem, arguments[verbose:], is_run=is_run, verbose=verbose)
    return code


def _dispatch(arguments: list[str], *, is_run: bool) -> int:
    if is_run:
        gc.disable()  # a start makes many objects and no garbage: looking for it costs a tenth of the time
        from pyopenshell.cli.run import main as run

        return run(arguments[1:])
    from pyopenshell.cli.app import main as app

    return app(arguments)


def _flush() -> None:
    """Write out what was printed. Raises OpenShellError where that cannot be, BrokenPipeError where nobody reads."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as problem:
        from pyopenshell.errors import OpenShellError

        _silence_stdout()
        raise OpenShellError(f"cannot write to standard output: {problem.strerror}", code="system") from problem


def _report(problem: Exception, arguments: list[str], *, is_run: bool, verbose: bool) -> int:
    """Print a failure and return its exit code."""
    from pyopenshell.cli import output
    from pyopenshell.errors import CommandError, OpenShellError

    if "OPENSHELL_DEBUG" in os.environ:
        import traceback

        traceback.print_exception(problem)
    known = problem if isinstance(problem, OpenShellError) else _unexpected(problem)
    wants_json: Callable[[Sequence[str]], bool] = output.wants_json
    if is_run:
        from pyopenshell.cli.run_options import wants_json
    try:
        output.error(known, as_json=wants_json(arguments[is_run:]), verbose=verbose)
    except BrokenPipeError:
        pass
    return OURS if is_run and not isinstance(known, CommandError) else known.exit_code


def _unexpected(problem: Exception) -> OpenShellError:
    """Return what to say about an exception that is not one of ours: the system's answer, or a bug."""
    from pyopenshell.errors import OpenShellError

    if isinstance(problem, OSError) and problem.strerror:
        _silence_stdout()
        where = f" ({os.fsdecode(problem.filename)})" if isinstance(problem.filename, (str, bytes)) else ""
        hint = STARVED.get(problem.errno or 0, "OPENSHELL_DEBUG=1 shows where")
        return OpenShellError(f"the system says: {problem.strerror}{where}", hint=hint, code="system")
    return OpenShellError(
        f"internal error: {type(problem).__name__}: {problem}",
        hint="please report this; OPENSHELL_DEBUG=1 shows where it happened",
        code="internal",
    )


def _silence_stdout() -> None:
    """Send standard output nowhere, so that nothing fails once more when the interpreter flushes it at exit."""
    devnull = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    os.dup2(devnull, 1)
    os.close(devnull)


def _influenced() -> bool:
    """Tell whether the caller's Python environment could have chosen what this interpreter imports."""
    if sys.flags.isolated:
        return False
    if any(name.startswith("PYTHON") for name in os.environ):
        return True
    site = sys.modules.get("site")
    if getattr(site, "ENABLE_USER_SITE", False) and os.path.isdir(getattr(site, "USER_SITE", None) or ""):
        return True
    return sys.path[:1] in ([""], [_current_folder()])


def _current_folder() -> str:
    """Return the current folder, or the empty string where it was deleted."""
    try:
        return os.getcwd()
    except OSError:
        return ""


def _isolate(arguments: list[str]) -> None:
    """Start this file again in isolated mode (``-I``): no PYTHON* variables, no user site, no current folder."""
    os.execv(sys.executable, [sys.executable, "-I", os.path.abspath(__file__), *arguments])  # noqa: S606


def _find_own_package() -> None:
    """Make the package this file belongs to the one that is imported, when started by path."""
    folder = os.path.dirname(os.path.abspath(__file__))
    try:
        import pyopenshell
    except ModuleNotFoundError:
        sys.path.append(os.path.dirname(folder))
        return
    if os.path.dirname(os.path.abspath(pyopenshell.__file__)) != folder:
        del sys.modules["pyopenshell"]
        sys.path.insert(0, os.path.dirname(folder))


def leave() -> NoReturn:
    """Run the command line and end the process, for ``run`` without the interpreter's own long goodbye."""
    code = main()
    if sys.argv[1:2] != ["run"]:
        sys.exit(code)
    os._exit(code)  # nothing is left to do: what was printed is flushed, and the sandbox is gone


if __name__ == "__main__":
    if not __package__:
        _find_own_package()
    leave()
