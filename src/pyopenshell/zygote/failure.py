"""Errors on their way from the zygote to its owner, who raises them as if it had done the work itself."""

from __future__ import annotations

from pyopenshell import errors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_PLAIN = ("code", "hint", "file", "line", "column")


def pack(error: BaseException) -> dict[str, Any]:
    """Return an error as plain data. One that is not ours is a defect, and says so."""
    if not isinstance(error, errors.OpenShellError):
        error = errors.OpenShellError(
            f"{type(error).__name__}: {error}", code="internal", hint="this is a defect of openshell; please report it"
        )
    told: dict[str, Any] = {name: getattr(error, name) for name in _PLAIN}
    told |= {"class": type(error).__name__, "message": error.message, "exit_code": error.exit_code}
    if isinstance(error, errors.PolicyError):
        told["problems"] = [problem.as_dict() for problem in error.problems]
    if isinstance(error, errors.LaunchError):
        told |= {"step": error.step, "errno": error.errno}
    return told


def unpack(told: dict[str, Any]) -> errors.OpenShellError:
    """Return the error that was packed, of its class."""
    if "problems" in told:
        problems = [errors.Problem(**problem) for problem in told["problems"]]
        return errors.PolicyError(problems, file=told["file"], code=told["code"])
    if "step" in told:
        error: errors.OpenShellError = errors.LaunchError(
            told["message"], step=told["step"], errno=told["errno"], hint=told["hint"]
        )
        error.code = told["code"]
        return error
    kind: type[errors.OpenShellError] = getattr(errors, told["class"])
    error = kind(told["message"], **{name: told[name] for name in _PLAIN})
    error.exit_code = told["exit_code"]
    return error
