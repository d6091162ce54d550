"""The public face: from a request to a planned sandbox, and from a plan to a finished run.

It leads the way through the packages, in the order of docs/design.md, section 3, and holds no detail of its own.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pyopenshell.baseline.model import Proposal
    from pyopenshell.devices.host import Host
    from pyopenshell.policy.model import Policy

from pyopenshell import runs
from pyopenshell.audit import context, translate
from pyopenshell.audit.log import Log
from pyopenshell.baseline import command as command_baseline
from pyopenshell.baseline import model as baseline
from pyopenshell.baseline.propose import propose
from pyopenshell.effective.compose import Request, compose
from pyopenshell.effective.model import Effective, Finding, Identity, Network, SeccompReport
from pyopenshell.effective.resolve import resolver
from pyopenshell.effective.settle import outcomes, settle
from pyopenshell.errors import CommandError, KernelUnsupported, LaunchError, UsageError
from pyopenshell.launch import command, environment, facts, identity, isolation, private, sockets, supervisor, terminal
from pyopenshell.launch import plan as launch_plan
from pyopenshell.launch.trial import Trial
from pyopenshell.policy import load
from pyopenshell.record import Record
from pyopenshell.seccomp import bpf, table


class RunRequest(Record):
    """What a caller asks for.

    ``policy`` is a file (None: the built-in default policy). ``gpu``: None for no GPU, -1 for all there are, 0 for the
    GPU runtime without a device. ``env`` holds ``KEY`` or ``KEY=VALUE``. ``max_abi`` caps the Landlock ABI used.
    """

    command: tuple[str, ...]
    policy: str | None = None
    name: str | None = None
    gpu: int | None = None
    env: tuple[str, ...] = ()
    workdir: str | None = None
    max_abi: int | None = None
    unsafe_unconfined: bool = False


class Planned(Record):
    """A sandbox that could be started: what it may do, and how it will be made."""

    request: RunRequest
    policy: Policy
    host: Host
    identity: Identity
    identity_lock: int | None
    private: private.Private
    effective: Effective
    plan: launch_plan.Plan

    def describe(self) -> list[str]:
        """Return the launch as numbered steps, in words."""
        from pyopenshell.launch.describe import describe

        return describe(self.plan)

    def close(self) -> None:
        """Let go of the identity's lock."""
        if self.identity_lock is not None:
            os.close(self.identity_lock)


def plan(request: RunRequest, *, name: str | None = None, run_id: str | None = None) -> Planned:
    """Work out everything a run will be, without making anything.

    Raises PolicyError, PolicyRefused, IdentityError, CommandError, GpuError, KernelUnsupported, UsageError.
    """
    trial = Trial()  # it measures while the policy is read
    try:
        policy = load.load(request.policy) if request.policy else load.default()
        workdir = _workdir(request.workdir)
    except BaseException:
        trial.result()
        raise
    host = facts.host(request.max_abi, trial, with_devices=request.gpu is not None)
    confined = _check_kernel(host, unsafe=request.unsafe_unconfined)
    run_id = run_id or runs.new_id()
    name = name or request.name or runs.generated_name(run_id)
    who, lock = identity.resolve(policy, workdir, name, ids_folder=_ids_folder())
    own = _private_folders(policy, workdir, host, run_id)
    handled, landlock_report = isolation.landlock_report(policy.compatibility, host.landlock_abi, host.namespaces)
    isolated = isolation.isolation(host.namespaces, handled, own.hide)
    program = bpf.build(
        table.rows(net_namespace=host.namespaces.net, landlock_abi=host.landlock_abi), host.architecture
    )
    home = who.home if _is_granted(who.home, policy, workdir) else own.home
    env = environment.build(
        os.environ,
        request.env,
        who,
        home=home,
        tmp=own.tmp,
        cuda_cache=own.cuda_cache if request.gpu is not None else None,
    )
    with command.as_identity(who) as can_execute:
        executable, command_proposals = _command(request, env, workdir, who, can_execute)
        private_sockets = isolated["pathname_sockets"].state != "open"
        reachable = () if private_sockets else sockets.reachable(can_execute.query)
    effective = compose(
        Request(
            policy=policy,
            name=name,
            run_id=run_id,
            host=host,
            identity=who,
            workdir=workdir,
            gpu=request.gpu,
            proposals=propose(
                baseline.Private(
                    tmp=own.tmp,
                    shm=own.shm,
                    home=home if home == own.home else None,
                    cuda_cache=own.cuda_cache if request.gpu is not None else None,
                ),
                network="none",
                command=command_proposals,
                gpu=request.gpu,
                devices=host.devices,
            ),
            landlock=landlock_report,
            seccomp=SeccompReport(*bpf.report(program)),
            network=Network("none", isolation.network_mechanism(host.namespaces)),
            isolation=isolated,
            protected=((runs.state_root(), "state"), (runs.config_root(), "configuration")),
            home=os.environ.get("HOME"),
            resolve=resolver(os.getuid()),
            reachable_sockets=reachable,
        )
    )
    if not confined:
        effective = effective.replace(findings=(*effective.findings, _unconfined()))
    return Planned(
        request=request,
        policy=policy,
        host=host,
        identity=who,
        identity_lock=lock,
        private=own,
        effective=effective,
        plan=launch_plan.build(
            effective,
            launch_plan.Workload(executable, request.command, env, workdir),
            handled=handled,
            namespaces=host.namespaces,
            private=own,
            program=program,
            terminal=terminal.wanted(),
            confined=confined,
        ),
    )


def run(request: RunRequest, notice: Callable[[Planned, Effective], None] | None = None) -> supervisor.Exit:
    """Run the command in a sandbox and wait for it. ``notice`` is told what is in force just before the command starts.

    The run's record is there from before the launch, with the receipt from before the command's first instruction.
    Raises what ``plan`` raises, LaunchError, NameInUse and StateError.
    """
    planned = plan(request)
    effective = planned.effective
    record = runs.create(effective.name, planned.policy.source.text, _meta(planned), run_id=effective.run_id)
    try:
        return _launch(planned, record, notice)
    finally:
        if planned.private.host:
            private.remove(planned.private)
        record.close()
        planned.close()


def _launch(planned: Planned, record: runs.Run, notice: Callable[[Planned, Effective], None] | None) -> supervisor.Exit:
    effective = planned.effective
    surroundings = context.here(effective.name, effective.run_id)
    log = Log(record.path)
    process = _process(planned)
    if planned.private.host:
        private.make(planned.private, planned.identity.uid, planned.identity.gid)
    launch = supervisor.Launch(planned.plan)
    try:
        receipt = launch.receipt()
    except LaunchError as error:
        record.write_json("effective.json", effective.replace(state="failed").as_dict())
        record.write_json("exit.json", {"code": 125, "signal": None, "error": error.as_dict()["error"]})
        log.append(translate.launched(process, surroundings.now(), failure=error.message))
        raise
    try:
        effective = settle(effective, outcomes(receipt))
        record.write_json("effective.json", effective.as_dict())
        record.write_json("receipt.json", receipt)
        log.append(
            *translate.enrichments(effective, surroundings),
            translate.enforcement(effective, receipt, surroundings),
            *(translate.finding(finding, surroundings) for finding in effective.findings),
            translate.lifecycle("Start", surroundings),
        )
        if notice:
            notice(planned, effective)
    except BaseException:
        launch.abort()
        raise
    started = process.replace(pid=launch.init_pid, started=context.now())
    launch.go()
    log.append(translate.launched(started, surroundings.now()))
    end = launch.wait()
    record.write_json("exit.json", {"code": end.code, "signal": end.signal, "exec_errno": end.exec_errno})
    now = surroundings.now()
    log.append(
        translate.exited(started, now, code=end.code, signal=end.signal),
        translate.lifecycle("Stop", now),
    )
    log.close()
    return end


def _workdir(given: str | None) -> str:
    path = os.path.realpath(given if given is not None else os.getcwd())
    if not os.path.isdir(path):
        raise UsageError(f"the working directory {given} is not a folder", hint="give --workdir an existing folder")
    return path


def _command(
    request: RunRequest, env: dict[str, str], workdir: str, who: Identity, can_execute: command.Access
) -> tuple[str, tuple[Proposal, ...]]:
    """Return the command's file and what it needs besides."""
    executable = command.locate(request.command[0], env["PATH"], workdir, can_execute)

    def find(program: str) -> str | None:
        try:
            return command.locate(program, env["PATH"], workdir, can_execute)
        except CommandError:
            return None

    homes = (who.home, os.environ.get("HOME") or who.home)
    return executable, command_baseline.proposals(executable, find, homes)


def _check_kernel(host: Host, *, unsafe: bool) -> bool:
    """Return whether the sandbox will be confined by Landlock. Raises KernelUnsupported where it must be and cannot."""
    if not host.seccomp:
        raise KernelUnsupported(
            "this kernel has no syscall filters (seccomp)",
            hint="a kernel built with CONFIG_SECCOMP_FILTER is needed; 'openshell doctor' says more",
            code="kernel.no-seccomp",
        )
    if host.landlock_abi or unsafe:
        return host.landlock_abi > 0
    from pyopenshell.launch.hints import no_landlock

    message, hint = no_landlock(host.landlock_errno)
    raise KernelUnsupported(message, hint=hint, code="kernel.no-landlock")


def _unconfined() -> Finding:
    return Finding(
        "landlock.unconfined",
        "High",
        "Landlock is not in force: the sandbox can reach every file its user can",
        "do not pass --unsafe-unconfined, and run on a kernel with Landlock",
    )


def _private_folders(policy: Policy, workdir: str, host: Host, run_id: str) -> private.Private:
    files = policy.filesystem
    keep = {os.path.realpath(entry.path) for entry in (*files.read_only, *files.read_write)}
    if files.include_workdir:
        keep.add(workdir)
    return private.folders(mount_namespace=host.namespaces.mount, keep=frozenset(keep), run_id=run_id)


def _is_granted(home: str, policy: Policy, workdir: str) -> bool:
    """Whether the identity's own home is part of what the operator granted; otherwise the sandbox gets a private one."""
    files = policy.filesystem
    folders = [entry.path for entry in (*files.read_only, *files.read_write)]
    if files.include_workdir:
        folders.append(workdir)
    return home != "/" and any(launch_plan.beneath(home, folder) for folder in folders)


def _ids_folder() -> str:
    return f"{runs.state_root()}/ids"


def _meta(planned: Planned) -> dict[str, Any]:
    workload = planned.plan.workload
    return {
        "schema": "pyopenshell.run/1",
        "command": list(workload.argv),
        "executable": workload.executable,
        "workdir": workload.workdir,
        "environment": environment.names(workload.environment),
        "gpu": planned.request.gpu,
        "user": planned.identity.user,
        "supervisor_pid": os.getpid(),
        "started": context.now(),
    }


def _process(planned: Planned) -> context.Process:
    workload = planned.plan.workload
    return context.Process(
        argv=workload.argv,
        path=workload.executable,
        uid=planned.identity.uid,
        gid=planned.identity.gid,
        user=planned.identity.user,
        workdir=workload.workdir,
        environment=tuple(environment.names(workload.environment)),
    )
