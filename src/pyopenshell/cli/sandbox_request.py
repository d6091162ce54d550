"""From the options of ``sandbox create`` to the protocol's request. What is wrong is said before anything is sent."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pyopenshell.cli import remote
from pyopenshell.cli.run_options import ALL_GPUS
from pyopenshell.errors import OpenShellError, UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from pyopenshell.cli.remote import Remote
    from pyopenshell.policy.model import Policy

WORKDIR = "pyopenshell/workdir"
"""The annotation that says which folder of this machine is the working directory."""
HERE = ("base", "host")
"""What ``--from`` can name that is no image: the gateway's host's files, as far as the policy grants them."""
OWN_FOLDER = "none"


def policy(file: str | None) -> Policy | None:
    """Return the policy of a file. Raises PolicyError with every mistake and its line."""
    if file is None:
        return None
    from pyopenshell.policy import load

    return load.load(file)


def build(
    there: Remote, arguments: argparse.Namespace, command: Sequence[str], policy: Policy | None, *, tty: bool
) -> dict[str, Any]:
    """Return the fields of the request. Raises UsageError."""
    messages = there.messages
    spec = messages.SandboxSpec(command=command, tty=tty, environment=dict(arguments.env), providers=arguments.provider)
    notes: dict[str, str] = {}
    if policy is not None:
        from pyopenshell.gateway import policy_wire

        spec.policy.CopyFrom(policy_wire.to_wire(policy))
        notes |= policy_wire.annotations_of(policy)
    folder = _workdir(there, arguments)
    if folder is not None:
        notes[WORKDIR] = folder
    if arguments.gpu is not None:
        spec.resource_requirements.gpu.SetInParent()
        if arguments.gpu != ALL_GPUS:
            spec.resource_requirements.gpu.count = arguments.gpu
    limits = {name: getattr(arguments, name) for name in ("cpu", "memory") if getattr(arguments, name)}
    if limits:
        from pyopenshell.launch import quantities

        quantities.cpu(limits.get("cpu", "1"))
        quantities.memory(limits.get("memory", "1Gi"))
        spec.template.resources.update({"limits": limits})
    if arguments.driver_config_json:
        spec.template.driver_config.update(_object(arguments.driver_config_json))
    if arguments.image and arguments.image not in HERE:
        spec.template.image = _image(there, arguments.image)
    return {
        "spec": spec,
        "name": arguments.name or "",
        "labels": dict(arguments.label),
        "annotations": notes,
    }


@contextmanager
def lines_of(file: str | None, annotations: Mapping[str, str]) -> Iterator[None]:
    """Name the file in errors about lines of a policy, where its text was sent along: the gateway does not know it."""
    from pyopenshell.gateway import policy_wire

    try:
        yield
    except OpenShellError as problem:
        if problem.line and problem.file is None and policy_wire.TEXT in annotations:
            problem.file = file
        raise


def _workdir(there: Remote, arguments: argparse.Namespace) -> str | None:
    """Return the folder of this machine that is the working directory; None for one of the sandbox's own.

    Who names an image or uploads files wants them to be apart from the caller's, as in a container.
    """
    asked: str | None = arguments.workdir
    if asked == OWN_FOLDER or (asked is None and (arguments.image or arguments.upload)):
        return None
    if not remote.is_own(there.gateway):
        if asked is not None:
            raise UsageError(
                f"--workdir {asked}: {there.title} is not this machine's", hint="--upload copies files into a sandbox"
            )
        return None
    try:
        folder = os.path.abspath(asked) if asked else os.getcwd()
    except FileNotFoundError:
        raise UsageError("the current folder was removed", hint="--workdir DIR names another one") from None
    if not os.path.isdir(folder):
        raise UsageError(f"--workdir {asked}: there is no such folder")
    return folder


def _image(there: Remote, name: str) -> str:
    """Return an image's name. Where nobody can use one that is said. Raises UsageError for one that is to be built."""
    if remote.is_own(there.gateway):
        remote.note(
            f"--from {name}: there is no container engine, so the image is not used: "
            "the sandbox has this machine's files, as its policy grants them"
        )
    elif os.path.isdir(name) or os.path.basename(name) == "Dockerfile":
        raise UsageError(f"--from {name}: images are not built here", hint="build it, and name it")
    return name


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise UsageError(f"--driver-config-json: not JSON: {error}") from None
    if not isinstance(value, dict):
        raise UsageError("--driver-config-json: not an object", hint='write {"KEY": VALUE}')
    return value


def upload(text: str) -> tuple[str, str | None]:
    """Return what is to be uploaded and where to: ``PATH[:DEST]``. A path that exists with its colon is one.

    Raises UsageError for one that does not exist.
    """
    local, colon, destination = text.rpartition(":")
    if not colon or os.path.lexists(text):
        local, destination = text, ""
    elif not local or not destination:
        raise UsageError(f"--upload takes PATH[:DEST], not {text!r}")
    if not os.path.lexists(local):
        raise UsageError(f"--upload {local}: there is no such file or folder", hint="nothing was made")
    return local, destination or None
