"""From what a client asks for to what a supervisor is to make."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from google.protobuf.json_format import MessageToDict
from openshell._proto import openshell_pb2

from pyopenshell import runs
from pyopenshell.errors import UsageError
from pyopenshell.gateway.store import Sandbox
from pyopenshell.planning import RunRequest
from pyopenshell.record import Record
from pyopenshell.state import state_root
from pyopenshell.supervisor.client import Wanted
from pyopenshell.supervisor.session import Program

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from pyopenshell.policy.model import Policy

SIZE = (24, 80)
"""Rows and columns of a terminal until somebody says otherwise."""
PROGRAMS = ("bash", "python3", "python")
"""Whose own environments a sandbox may read, beside the main process's."""
_RESTARTS = {
    openshell_pb2.SANDBOX_RESTART_POLICY_ON_FAILURE: "on_failure",
    openshell_pb2.SANDBOX_RESTART_POLICY_ALWAYS: "always",
}


class NewSandbox(Record):
    """What a client asks for. ``spec`` is a serialized ``openshell.v1.SandboxSpec`` without its policy."""

    workspace: str
    name: str
    labels: dict[str, str]
    annotations: dict[str, str]
    spec: bytes
    providers: tuple[str, ...]
    policy: Policy
    policy_hash: str
    workdir: str | None = None
    request_id: str = ""
    held: bool = False


def data_root() -> str:
    """Return where sandboxes' own folders lie: ``$XDG_DATA_HOME``, else ~/.local/share, or root's /var/lib.

    Not in the state folder, which no sandbox may write to.
    """
    chosen = os.environ.get("XDG_DATA_HOME", "")
    if chosen.startswith("/"):
        return f"{chosen.rstrip('/')}/openshell"
    if os.geteuid() == 0:
        return "/var/lib/openshell-data"
    home = os.path.expanduser("~")
    return f"{home}/.local/share/openshell" if home.startswith("/") else f"{state_root()}-data"


def row(new: NewSandbox) -> Sandbox:
    """Return what is stored of a sandbox that is to be made."""
    id_ = runs.new_id()
    return Sandbox(
        id=id_,
        workspace=new.workspace,
        name=new.name or runs.generated_name(id_),
        labels=new.labels,
        annotations=new.annotations,
        spec=new.spec,
        phase="PROVISIONING",
        reason="",
        message="",
        run_id=None,
        exit_code=None,
        workdir=new.workdir,
        policy_version=1,
        restarts=0,
        resource_version=1,
        created=time.time_ns() // 1_000_000,
        main_started=None,
        request_id=new.request_id,
    )


def own_folder(row: Sandbox) -> str | None:
    """Return the path of a sandbox's own folder; None where it works in a folder of the host."""
    return None if row.workdir else f"{data_root()}/sandboxes/{row.id}"


def spec_of(row: Sandbox) -> openshell_pb2.SandboxSpec:
    """Return what a client asked for."""
    return openshell_pb2.SandboxSpec.FromString(row.spec)


def wanted(row: Sandbox, policy: Policy, credentials: Mapping[str, str], *, held: bool) -> Wanted:
    """Return what is to be launched. ``credentials`` are variables that providers bring. Raises UsageError."""
    spec = spec_of(row)
    cpu, memory = resources(spec)
    env = {**spec.template.environment, **spec.environment, **credentials}
    main = Program(tuple(spec.command), terminal=SIZE if spec.tty else None, stdin=True) if spec.command else None
    return Wanted(
        request=RunRequest(
            command=(),
            name=row.name,
            gpu=gpu(spec),
            env=tuple(f"{name}={value}" for name, value in env.items()),
            workdir=row.workdir,
            programs=(*spec.command[:1], *PROGRAMS),
            own_folder=own_folder(row),
            cpu=cpu,
            memory=memory,
        ),
        policy=policy,
        main=main,
        environ=dict(os.environ),
        meta={"sandbox_id": row.id, "workspace": row.workspace, "command": list(spec.command), "keep": True},
        held=held and main is not None,
        restart=_RESTARTS.get(spec.restart_policy, "never"),
    )


def gpu(spec: openshell_pb2.SandboxSpec) -> int | None:
    """Return how many GPUs: None for no GPU, -1 for all there are, 0 for the runtime without a device."""
    requirements = spec.resource_requirements
    if not requirements.HasField("gpu"):
        return None
    return int(requirements.gpu.count) if requirements.gpu.HasField("count") else -1


def resources(spec: openshell_pb2.SandboxSpec) -> tuple[float | None, int | None]:
    """Return the limits of CPUs and of memory in bytes. Raises UsageError.

    A client gives ``{"cpu": "2", "memory": "1Gi"}``, or that beneath ``limits`` as Kubernetes has it.
    """
    if not spec.template.HasField("resources"):
        return None, None
    from pyopenshell.launch import quantities

    asked: dict[str, Any] = MessageToDict(spec.template.resources)
    given = asked.get("limits", asked)
    others = sorted(set(asked) - {"limits", "cpu", "memory", "requests"}) + sorted(
        set(given if isinstance(given, dict) else {}) - {"cpu", "memory", "limits", "requests"}
    )
    if others or not isinstance(given, dict):
        raise UsageError(
            f"template.resources: {', '.join(others) or 'limits'} is not known here", hint="there are cpu and memory"
        )
    cpu, memory = given.get("cpu"), given.get("memory")
    return (
        None if cpu is None else quantities.cpu(str(cpu)),
        None if memory is None else quantities.memory(str(memory)),
    )


def refuse(spec: openshell_pb2.SandboxSpec) -> None:
    """Raise UsageError for what cannot be had here and must not be taken for done."""
    template = spec.template
    for name in ("runtime_class_name", "agent_socket"):
        if getattr(template, name):
            raise UsageError(f"template.{name}: sandboxes of this gateway are processes, no containers")
    if template.HasField("driver_config") and len(template.driver_config.fields):
        names = ", ".join(sorted(template.driver_config.fields))
        raise UsageError(f"template.driver_config: the local driver knows none of {names}")
