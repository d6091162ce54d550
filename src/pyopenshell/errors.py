"""The whole exception tree. Every error has a stable ``code`` and a ``hint`` that says what to do.

Messages name what failed and where; hints say how to go on. The command turns them into one line each
(or one JSON object); a traceback is only ever ours, and then a bug.
"""

from __future__ import annotations

from pyopenshell.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any


class OpenShellError(Exception):
    """Base of all errors this package raises on purpose.

    ``code`` is stable and meant for machines. ``file``, ``line`` and ``column`` (from 1) say where in a
    policy the cause stands, when it stands in one.
    """

    code = "error"
    exit_code = 4

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        code: str | None = None,
        file: str | None = None,
        line: int | None = None,
        column: int | None = None,
    ) -> None:
        """Keep the message, the hint and the place."""
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code or type(self).code
        self.file = file
        self.line = line
        self.column = column

    def __reduce__(self) -> tuple[Any, ...]:
        """Let it be pickled whole: pools of processes raise in one what failed in another."""
        return _restored, (type(self), self.args, dict(vars(self)))

    @property
    def place(self) -> str | None:
        """``file:line:column`` as far as it is known."""
        if self.file is None:
            return None
        return ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)

    def as_dict(self) -> dict[str, Any]:
        """Return the documented JSON shape."""
        keys = ("code", "message", "hint", "file", "line", "column")
        return {"error": {key: getattr(self, key) for key in keys}}

    def lines(self) -> list[str]:
        """Return the error as lines for a terminal: the message, then the hint."""
        head = f"{self.place}: {self.message}" if self.place else self.message
        return [head, *([f"hint: {self.hint}"] if self.hint else [])]


def _restored(kind: type[OpenShellError], arguments: tuple[Any, ...], state: dict[str, Any]) -> OpenShellError:
    """Return an error as it was when it was pickled. The constructors want more than a message, some of them."""
    error = kind.__new__(kind)
    error.args = arguments
    vars(error).update(state)
    return error


class UsageError(OpenShellError):
    """The command line cannot be understood."""

    code = "usage"
    exit_code = 2


class Problem(Record):
    """One mistake in a policy file. ``line`` and ``column`` count from 1; ``key`` is the dotted path to it."""

    message: str
    line: int | None = None
    column: int | None = None
    key: str | None = None
    hint: str | None = None


class PolicyError(OpenShellError):
    """The policy is not valid. ``problems`` holds every mistake found, in file order."""

    code = "policy.invalid"
    exit_code = 1

    def __init__(self, problems: Sequence[Problem], *, file: str | None = None, code: str | None = None) -> None:
        """Take the mistakes; the first one gives the place."""
        first = problems[0]
        super().__init__(first.message, hint=first.hint, code=code, file=file, line=first.line, column=first.column)
        self.problems = tuple(problems)

    def as_dict(self) -> dict[str, Any]:
        """Return the documented shape, with all mistakes under ``problems``."""
        shape = super().as_dict()
        shape["error"]["problems"] = [problem.as_dict() for problem in self.problems]
        return shape

    def lines(self) -> list[str]:
        """One line per mistake, each with its place, its hint behind it."""
        result = []
        for problem in self.problems:
            where = ":".join(str(part) for part in (self.file, problem.line, problem.column) if part is not None)
            result.append(f"{where}: {problem.message}" if where else problem.message)
            if problem.hint:
                result.append(f"  hint: {problem.hint}")
        return result


class PolicyRefused(OpenShellError):
    """The policy is well-formed, but what it asks for is refused on this host or together with this request."""

    code = "policy.refused"
    exit_code = 1


class GpuError(OpenShellError):
    """A GPU was asked for and there is none, or it cannot be granted."""

    code = "gpu.missing"


class IdentityError(OpenShellError):
    """The user, group or dynamic id for the sandbox cannot be had."""

    code = "identity"


class CommandError(OpenShellError):
    """The command cannot be run: ``exit_code`` is 127 when it is not found, 126 when it is not executable."""

    code = "command.not-found"
    exit_code = 127


class KernelUnsupported(OpenShellError):
    """The kernel lacks something without which no sandbox is started."""

    code = "kernel.unsupported"


class LaunchError(OpenShellError):
    """A numbered step of the launch failed. ``step`` names it, ``errno`` is the kernel's answer."""

    code = "launch.failed"

    def __init__(self, message: str, *, step: str, errno: int | None = None, hint: str | None = None) -> None:
        """Keep the step and the kernel's error beside the message."""
        super().__init__(message, hint=hint)
        self.step = step
        self.errno = errno


class StateError(OpenShellError):
    """The state folder cannot be used, or what it holds is not what it should be."""

    code = "state"


class NoSuchSandbox(OpenShellError):
    """No sandbox has this name."""

    code = "sandbox.unknown"
    exit_code = 3


class NameInUse(OpenShellError):
    """A live sandbox already has this name."""

    code = "sandbox.exists"


class SandboxGone(OpenShellError):
    """The sandbox is not there (any more): closed, ended from outside, or another process's."""

    code = "sandbox.gone"


class ZygoteError(OpenShellError):
    """The process that starts and keeps this one's sandboxes cannot be started, or has ended."""

    code = "zygote"


class ContributorError(OpenShellError):
    """A contributor that the policy names is not installed, or did not answer with what may be granted."""

    code = "contributor"


class CommandFailed(OpenShellError):
    """A command in a sandbox ended otherwise than with 0, and was to be checked. ``result`` is how it ended."""

    code = "command.failed"

    def __init__(self, message: str, *, result: Any, hint: str | None = None) -> None:
        """Keep the result (``sandbox.Result``)."""
        super().__init__(message, hint=hint)
        self.result = result


class CommandTimeout(OpenShellError, TimeoutError):
    """A command in a sandbox took longer than it was given, and was killed. ``result`` has what it wrote until then."""

    code = "command.timeout"

    def __init__(self, message: str, *, result: Any, hint: str | None = None) -> None:
        """Keep the result (``sandbox.Result``), whose ``exit`` is that of the kill."""
        super().__init__(message, hint=hint)
        self.result = result
