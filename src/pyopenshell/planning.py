"""From a request to a planned sandbox: what it may do, and how it would be made. Nothing is made here.

It leads the way through the packages in the order of docs/design.md, section 3, and holds no detail of its own.
"""

from __future__ import annotations

import os

from pyopenshell import runs
from pyopenshell.baseline import command as command_baseline
from pyopenshell.baseline import model as baseline
from pyopenshell.baseline.propose import propose
from pyopenshell.effective.compose import Request, compose
from pyopenshell.effective.model import Network, SeccompReport
from pyopenshell.effective.resolve import resolver
from pyopenshell.effective.runtime import wants_broker
from pyopenshell.errors import CommandError
from pyopenshell.launch import (
    command,
    dynamic_id,
    environment,
    facts,
    identity,
    isolation,
    places,
    private,
    sockets,
    terminal,
)
from pyopenshell.launch import plan as launch_plan
from pyopenshell.launch.trial import Trial
from pyopenshell.policy import load
from pyopenshell.record import Record
from pyopenshell.seccomp import bpf, table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyopenshell.baseline.model import Proposal
    from pyopenshell.devices.host import Host
    from pyopenshell.effective.model import Effective, Identity, Isolation, LandlockReport
    from pyopenshell.landlock.downgrade import Handled
    from pyopenshell.launch.broker_trial import BrokerTrial
    from pyopenshell.policy.model import Policy


TERMINALS = ("/dev/ptmx", "/dev/pts")
"""Without a mount namespace these are the host's: granted, they would open the same user's other terminals."""


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

    def close(self) -> None:
        """Let go of the identity's lock."""
        if self.identity_lock is not None:
            dynamic_id.release(self.identity.uid, self.identity_lock)


class Ground(Record):
    """All that is known before anything is composed: policy, host, identity, and what the runtime brings."""

    request: RunRequest
    policy: Policy
    host: Host
    confined: bool
    workdir: str
    name: str
    run_id: str
    identity: Identity
    identity_lock: int | None
    private: private.Private
    home: str
    handled: Handled
    landlock: LandlockReport
    isolation: dict[str, Isolation]
    environment: dict[str, str]
    broker_trial: BrokerTrial | None
    own_code: tuple[str, ...] = ()
    policy_file: str | None = None

    @property
    def cuda_cache(self) -> str | None:
        """The private folder for CUDA's compiled kernels, for sandboxes that ask for a GPU."""
        return self.private.cuda_cache if self.request.gpu is not None else None


def plan(request: RunRequest, trial: Trial | None = None, *, keep_id: bool = False) -> Planned:
    """Work out everything a run will be. ``trial`` is one already under way; ``keep_id`` remembers a dynamic id.

    Raises PolicyError, PolicyRefused, IdentityError, CommandError, GpuError, KernelUnsupported, UsageError.
    """
    own_trial = None if trial else Trial()
    try:
        ground = _ground(request, trial or own_trial, keep_id=keep_id)
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


def _ground(request: RunRequest, trial: Trial | None, *, keep_id: bool) -> Ground:
    if request.name is not None:
        runs.check_name(request.name)
    policy = load.load(request.policy, f"{runs.state_root()}/policies") if request.policy else load.default()
    workdir = places.working_directory(request.workdir)
    host = facts.host(request.max_abi, trial, with_devices=request.gpu is not None)
    confined = facts.is_enough(host, unsafe=request.unsafe_unconfined)
    run_id = runs.new_id()
    name = request.name or runs.generated_name(run_id)
    own = private.folders(mount_namespace=host.namespaces.mount, keep=places.named(policy, workdir), run_id=run_id)
    handled, report = isolation.landlock_report(policy, host.landlock_abi, host.namespaces)
    # An id is kept for a name that somebody chose, and not for a mere plan.
    ids = f"{runs.state_root()}/ids" if keep_id and request.name else None
    who, lock = identity.resolve(policy, workdir, name, ids_folder=ids)
    ground = Ground(
        request=request,
        policy=policy,
        host=host,
        confined=confined,
        workdir=workdir,
        name=name,
        run_id=run_id,
        identity=who,
        identity_lock=lock,
        private=own,
        home=who.home if places.is_granted(who.home, policy, workdir) else own.home,
        handled=handled,
        landlock=report,
        isolation=isolation.isolation(host.namespaces, handled, own.hide),
        environment={},
        broker_trial=_broker_trial(who) if wants_broker(policy, request.gpu) and confined else None,
    )
    env = environment.build(os.environ, request.env, who, home=ground.home, tmp=own.tmp, cuda_cache=ground.cuda_cache)
    return ground.replace(environment=env)


def _broker_trial(who: Identity) -> BrokerTrial:
    from pyopenshell.launch.broker_trial import BrokerTrial

    return BrokerTrial(who)


def _planned(ground: Ground) -> Planned:
    with command.as_identity(ground.identity) as can_execute:
        executable, command_proposals = _command(ground, can_execute)
        reachable, granted = _sockets(ground, can_execute)
        own_code = tuple(folder for folder in places.own_code() if can_execute.query(folder, os.W_OK) == 0)
        policy_file = places.rewritable(ground.request.policy, can_execute.query)
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
            mask=(runs.state_root(), runs.config_root()),
            confined=ground.confined,
            broker=has_broker,
        ),
    )


def _sockets(ground: Ground, can_execute: command.Access) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the host's sockets that can be connected to whatever the grants say, and those that a grant opens."""
    found, files = sockets.reachable(can_execute.reachable), ground.policy.filesystem
    granted = sockets.granted(found, files, ground.workdir, ground.private.hide)
    if ground.isolation["pathname_sockets"].state == "scoped":
        return (), granted
    return sockets.in_view(found, files, ground.workdir, ground.private.hide), granted


def _command(ground: Ground, can_execute: command.Access) -> tuple[str, tuple[Proposal, ...]]:
    """Return the command's file and what it needs besides."""
    path, workdir, who = ground.environment["PATH"], ground.workdir, ground.identity
    executable = command.locate(ground.request.command[0], path, workdir, can_execute)

    def find(program: str) -> str | None:
        try:
            return command.locate(program, path, workdir, can_execute)
        except CommandError:
            return None

    homes = (who.home, os.environ.get("HOME") or who.home)
    return executable, command_baseline.proposals(executable, find, homes)


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
            gpu=ground.request.gpu,
            proposals=_proposals(ground, command_proposals),
            landlock=ground.landlock,
            network=Network("none", isolation.network_mechanism(ground.host.namespaces)),
            isolation=ground.isolation,
            protected=_protected(ground),
            own_code=ground.own_code,
            home=os.environ.get("HOME"),
            resolve=resolver(os.getuid()),
            reachable_sockets=reachable,
            granted_sockets=granted,
            policy_file=ground.policy_file,
        )
    )


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
        gpu=ground.request.gpu,
        devices=ground.host.devices,
    )
    if ground.host.namespaces.mount:
        return proposals
    return tuple(proposal for proposal in proposals if proposal.path not in TERMINALS)


def _protected(ground: Ground) -> tuple[tuple[str, str], ...]:
    """Return what no grant may make writable. As root the command itself too: root would run what was written there."""
    folders = ((runs.state_root(), "state"), (runs.config_root(), "configuration"))
    return (*folders, *((folder, "program") for folder in ground.own_code)) if os.geteuid() == 0 else folders
