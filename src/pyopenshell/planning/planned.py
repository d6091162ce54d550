"""The second half of planning: compose what is known into an effective policy, and that into a plan of the launch."""

from __future__ import annotations

import os
import time

from pyopenshell import runs
from pyopenshell.baseline import model as baseline
from pyopenshell.baseline.propose import propose
from pyopenshell.effective.compose import Request, compose
from pyopenshell.effective.model import Network, SeccompReport
from pyopenshell.effective.paths import inside
from pyopenshell.effective.resolve import resolver
from pyopenshell.launch import command, dynamic_id, environment, isolation, places, private, sockets, terminal
from pyopenshell.launch import plan as launch_plan
from pyopenshell.launch.trial import Trial
from pyopenshell.planning import programs
from pyopenshell.planning.ground import measure
from pyopenshell.policy.model import DeclaredPath
from pyopenshell.record import Record
from pyopenshell.seccomp import bpf, table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyopenshell.baseline.model import Proposal
    from pyopenshell.devices.host import Host
    from pyopenshell.effective.aliases import Aliases
    from pyopenshell.effective.model import Contributor, Effective, Finding, Identity
    from pyopenshell.planning.ground import Ground, RunRequest
    from pyopenshell.policy.model import Policy


TERMINALS = ("/dev/ptmx", "/dev/pts")
"""Without a mount namespace these are the host's: granted, they would open the same user's other terminals."""


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

    def meta(self) -> dict[str, Any]:
        """Return what a record says of a run that this process supervises from now on (``meta.json``)."""
        workload = self.plan.workload
        return {
            "command": list(workload.argv),
            "executable": workload.executable,
            "workdir": workload.workdir,
            "environment": list(environment.names(workload.environment)),
            "gpu": self.request.gpu,
            "devices": list(self.request.devices),
            "user": self.identity.user,
            "supervisor_pid": os.getpid(),
            "started": time.time_ns() // 1_000_000,
        }

    def close(self) -> None:
        """Let go of the identity's lock."""
        if self.identity_lock is not None:
            dynamic_id.release(self.identity.uid, self.identity_lock)


def plan(
    request: RunRequest, trial: Trial | None = None, *, keep_id: bool = False, host: Host | None = None
) -> Planned:
    """Work out everything a run will be. ``trial`` is one already under way; ``keep_id`` remembers a dynamic id.

    ``host`` is one whose facts are known already, or another than this: nothing is tried then that it says.
    Raises PolicyError, PolicyRefused, IdentityError, CommandError, ContributorError, GpuError, KernelUnsupported,
    UsageError.
    """
    own_trial = None if trial or host else Trial()
    try:
        ground = measure(request, trial or own_trial, keep_id=keep_id, known=host)
    finally:
        if own_trial:
            own_trial.close()
    try:
        return _planned(ground)
    except BaseException:
        if ground.identity_lock is not None:
            dynamic_id.release(ground.identity.uid, ground.identity_lock)
        raise
    finally:
        if ground.broker_trial:
            ground.broker_trial.close()
        if ground.contributing:
            ground.contributing.close()


def _planned(ground: Ground) -> Planned:
    with command.as_identity(ground.identity) as can_execute:
        executable, command_proposals = programs.find(ground, can_execute)
        if ground.contributing:
            ground = ground.replace(contributions=ground.contributing.result())
        reachable, granted = _sockets(ground, can_execute)
        own_code = tuple(folder for folder in places.own_code() if can_execute.query(folder, os.W_OK) == 0)
        policy_file = places.rewritable(ground.policy.source.file, can_execute.query)
    isolated = isolation.with_sockets(ground.isolation, reachable)
    ground = ground.replace(isolation=isolated, own_code=own_code, policy_file=policy_file)
    if ground.broker_trial:
        ground = ground.replace(host=ground.host.replace(broker=ground.broker_trial.result()))
    effective = _effective(ground, command_proposals, reachable, granted)
    has_broker = effective.brokered and ground.host.broker.state == "available"
    effective, program = _filter(ground.host, effective, broker=has_broker)
    return Planned(
        request=ground.request,
        policy=ground.policy,
        host=ground.host,
        identity=ground.identity,
        identity_lock=ground.identity_lock,
        private=ground.private,
        effective=effective,
        plan=launch_plan.build(
            effective,
            launch_plan.Workload(executable, ground.request.command, ground.environment, ground.workdir),
            handled=ground.handled,
            namespaces=ground.host.namespaces,
            private=ground.private,
            program=program,
            terminal=terminal.wanted(),
            mask=_mask(ground, effective),
            confined=ground.confined,
            broker=has_broker,
        ),
    )


def _mask(ground: Ground, effective: Effective) -> tuple[str, ...]:
    """Return the folders that the sandbox is not even shown: openshell's own, and where other sandboxes have theirs.

    Where it uses its own folder at the host's path, or is granted something else in there, that stays in view.
    """
    folders, own = (runs.state_root(), runs.config_root()), ground.own
    if own is None or own.place == own.host:
        return folders
    others = os.path.dirname(own.host)
    granted = [grant.resolved or grant.path for grant in effective.grants if grant.status != "skipped"]
    return folders if any(inside(path, others) for path in granted) else (*folders, others)


def _sockets(ground: Ground, can_execute: command.Access) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the host's sockets that can be connected to whatever the grants say, and those that a grant opens.

    What is contributed opens none, but is bound back with those that lie in it.
    """
    found, files = sockets.reachable(can_execute.reachable), ground.policy.filesystem
    if ground.isolation["mount"].state == "private":  # then these are not shown: a gateway's, and supervisors'
        masked = [os.path.realpath(folder) for folder in (runs.state_root(), runs.config_root())]
        found = tuple(path for path in found if not any(inside(os.path.realpath(path), folder) for folder in masked))
    workdir = ground.on_host(ground.workdir)
    if ground.own:
        # Where it is seen, nothing of the host's is.
        written = tuple(path for path in files.read_write if ground.on_host(path.path) == path.path)
        files = files.replace(include_workdir=True, read_write=written)
    granted = sockets.granted(found, files, workdir, ground.private.hide)
    if ground.isolation["pathname_sockets"].state == "scoped":
        return (), granted
    shown = (DeclaredPath(proposal.path) for proposal in ground.contributed)
    files = files.replace(read_only=(*files.read_only, *shown))
    return sockets.in_view(found, files, workdir, ground.private.hide), granted


def _effective(
    ground: Ground, command_proposals: tuple[Proposal, ...], reachable: tuple[str, ...], granted: tuple[str, ...]
) -> Effective:
    return compose(
        Request(
            policy=ground.policy,
            name=ground.name,
            run_id=ground.run_id,
            host=ground.host,
            identity=ground.identity,
            workdir=ground.workdir,
            proposals=(*_proposals(ground, command_proposals), *ground.contributed),
            landlock=ground.landlock,
            network=Network("none", isolation.network_mechanism(ground.host.namespaces)),
            isolation=ground.isolation,
            protected=_protected(ground),
            own_code=ground.own_code,
            home=os.environ.get("HOME"),
            resolve=ground.own.resolver(os.getuid()) if ground.own else resolver(os.getuid()),
            reachable_sockets=reachable,
            granted_sockets=granted,
            policy_file=ground.policy_file,
            cuda=ground.cuda,
            devices=ground.devices,
            about_devices=_about_devices(ground),
            environment=tuple(ground.environment.items()) if ground.cuda else (),
            contributors=_contributors(ground),
            aliases=_aliases(ground),
            own_folder=ground.own.host if ground.own else None,
            limits=ground.limits,
        )
    )


def _contributors(ground: Ground) -> tuple[Contributor, ...]:
    if not ground.contributions:
        return ()
    from pyopenshell.effective.contributed import contributors

    return contributors(ground.contributions)


def _aliases(ground: Ground) -> Aliases | None:
    """Return what a contributor's paths are compared with; nobody else pays for that."""
    if not ground.contributions:
        return None
    from pyopenshell.effective.aliases import of_host

    return of_host()


def _about_devices(ground: Ground) -> tuple[Finding, ...]:
    if not ground.chosen or not ground.devices:
        return ()
    from pyopenshell.effective.devices import findings

    return tuple(findings(ground.chosen, ground.devices))


def _filter(host: Host, effective: Effective, *, broker: bool) -> tuple[Effective, bytes]:
    """Return the policy with what its syscall filter does, and the filter: it depends on what was composed."""
    rows = table.rows(net_namespace=host.namespaces.net, landlock_abi=host.landlock_abi, broker=broker)
    program = bpf.build(rows, host.architecture)
    report = SeccompReport(*bpf.report(program), bpf.listing(rows, host.architecture))
    return effective.replace(seccomp=report), program


def _proposals(ground: Ground, command_proposals: tuple[Proposal, ...]) -> tuple[Proposal, ...]:
    own = ground.private
    proposals = propose(
        baseline.Private(
            tmp=own.tmp,
            shm=own.shm,
            home=own.home if ground.home == own.home else None,
            cuda_cache=ground.cuda_cache,
        ),
        network="none",
        command=command_proposals,
        chosen=ground.chosen,
    )
    if ground.host.namespaces.mount:
        return proposals
    return tuple(proposal for proposal in proposals if proposal.path not in TERMINALS)


def _protected(ground: Ground) -> tuple[tuple[str, str], ...]:
    """Return what no grant may make writable. As root the command itself too: root would run what was written there."""
    folders = ((runs.state_root(), "state"), (runs.config_root(), "configuration"))
    return (*folders, *((folder, "program") for folder in ground.own_code)) if os.geteuid() == 0 else folders
