"""The first half of planning: all that is known before anything is composed."""

from __future__ import annotations

import os

from pyopenshell import runs
from pyopenshell.effective.runtime import wants_broker
from pyopenshell.errors import UsageError
from pyopenshell.launch import environment, facts, identity, isolation, places, private
from pyopenshell.policy import load
from pyopenshell.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyopenshell.baseline.contributor import Contribution
    from pyopenshell.baseline.model import Proposal
    from pyopenshell.devices.choose import Chosen
    from pyopenshell.devices.host import Host
    from pyopenshell.effective.devices import Devices
    from pyopenshell.effective.limits import Limit
    from pyopenshell.effective.model import Identity, Isolation, LandlockReport
    from pyopenshell.landlock.downgrade import Handled
    from pyopenshell.launch.broker_trial import BrokerTrial
    from pyopenshell.launch.contributing import Contributing
    from pyopenshell.launch.trial import Trial
    from pyopenshell.planning.own_folder import OwnFolder
    from pyopenshell.policy.model import Policy


TMP = "/tmp"  # noqa: S108 - what a policy calls so
"""What a sandbox with a folder of its own, in its place, has of its own too: the host's is not meant there."""


class RunRequest(Record):
    """What a caller asks for.

    ``command`` is what is run at once; without one, programs are started in the sandbox later, and ``programs`` names
    those (as a command's first word) whose own files and environments it may read. ``policy`` is a file, or a policy
    (None: the built-in default policy). ``gpu`` is how many GPUs: None for no GPU, -1 for all
    there are, 0 for the GPU runtime without a device. ``devices`` are qualified CDI names, whose specs are looked for
    in ``cdi_spec_dirs``, or where the environment or the CDI specification say. ``env`` holds ``KEY`` or
    ``KEY=VALUE``. ``max_abi`` caps the Landlock ABI used.

    ``own_folder`` is a folder of the host, made for this sandbox alone, that is its working directory and home, shown
    at ``/sandbox`` where that can be; ``workdir`` is left out then. ``cpu`` (CPUs), ``memory`` (bytes) and ``pids``
    (processes and threads) are limits for the whole sandbox, None for no limit.
    """

    command: tuple[str, ...]
    policy: str | Policy | None = None
    name: str | None = None
    gpu: int | None = None
    devices: tuple[str, ...] = ()
    cdi_spec_dirs: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    workdir: str | None = None
    max_abi: int | None = None
    unsafe_unconfined: bool = False
    programs: tuple[str, ...] = ()
    own_folder: str | None = None
    cpu: float | None = None
    memory: int | None = None
    pids: int | None = None


class Ground(Record):
    """All that is known before anything is composed: policy, host, identity, and what the runtime brings.

    ``workdir`` is the working directory as the sandbox sees it.
    """

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
    own: OwnFolder | None = None
    limits: tuple[Limit, ...] = ()
    chosen: Chosen | None = None
    devices: Devices | None = None
    own_code: tuple[str, ...] = ()
    policy_file: str | None = None
    contributing: Contributing | None = None
    contributions: tuple[Contribution, ...] = ()

    @property
    def contributed(self) -> tuple[Proposal, ...]:
        """What third parties propose, once they have answered."""
        return tuple(proposal for one in self.contributions for proposal in one.proposals)

    def on_host(self, path: str) -> str:
        """Return the host's path of what the sandbox has at a path."""
        return self.own.on_host(path) if self.own else path

    def in_view(self, path: str) -> str:
        """Return the path at which the sandbox has what the host has at a path."""
        return self.own.in_view(path) if self.own else path

    @property
    def cuda(self) -> bool:
        """Whether the sandbox asks for a GPU for CUDA, or for the runtime of one."""
        return self.chosen is not None and self.chosen.selection.is_cuda

    @property
    def cuda_cache(self) -> str | None:
        """The private folder for CUDA's compiled kernels, for sandboxes that ask for a GPU."""
        return self.private.cuda_cache if self.cuda else None


def measure(request: RunRequest, trial: Trial | None, *, keep_id: bool, known: Host | None = None) -> Ground:
    """Find out everything a plan depends on. A dynamic id's lock is held until it is released.

    ``known`` is a host that need not be measured, or is another than this one.
    Raises PolicyError, IdentityError, GpuError, KernelUnsupported, UsageError.
    """
    if request.name is not None:
        runs.check_name(request.name)
    limits = _limits(request)
    policy = _policy(request.policy)
    workdir = places.working_directory(request.workdir) if request.own_folder is None else ""
    host = known or facts.host(request.max_abi, trial)
    folder = _own_folder(request, mount_namespace=host.namespaces.mount)
    workdir = folder.place if folder else workdir
    confined = facts.is_enough(host, unsafe=request.unsafe_unconfined)
    chosen = _chosen(request, policy, confined=confined)
    run_id = runs.new_id()
    name = request.name or runs.generated_name(run_id)
    keep = places.named(policy, workdir)
    if folder and folder.is_shown:
        keep -= {TMP}
    own = private.folders(mount_namespace=host.namespaces.mount, keep=keep, run_id=run_id)
    handled, report = isolation.landlock_report(policy, host.landlock_abi, host.namespaces)
    # An id is kept for a name that somebody chose, and not for a mere plan.
    ids = f"{runs.state_root()}/ids" if keep_id and request.name else None
    who, lock = identity.resolve(policy, None if folder else workdir, name, ids_folder=ids)
    devices = None
    if chosen:
        devices, who = _devices(chosen, who, request.env)
    found = Ground(
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
        home=workdir if folder else who.home if places.is_granted(who.home, policy, workdir) else own.home,
        handled=handled,
        landlock=report,
        isolation=isolation.isolation(host.namespaces, handled, own.hide),
        environment={},
        broker_trial=None,
        own=folder,
        limits=limits,
        chosen=chosen,
        devices=devices,
    )
    return _furnished(found)


def _own_folder(request: RunRequest, *, mount_namespace: bool) -> OwnFolder | None:
    """Return the sandbox's own folder, where it has one. What it takes is imported only then."""
    if request.own_folder is None:
        return None
    if request.workdir is not None:
        raise UsageError(
            "a sandbox with a folder of its own works there, and in no other",
            hint="leave out the working directory, or the own folder",
        )
    from pyopenshell.planning.own_folder import find

    return find(request.own_folder, mount_namespace=mount_namespace)


def _limits(request: RunRequest) -> tuple[Limit, ...]:
    """Return the limits that are asked for. What they take is imported only then."""
    wanted = (request.cpu, request.memory, request.pids)
    if wanted == (None, None, None):
        return ()
    from pyopenshell.effective.limits import asked

    return asked(*wanted)


def _policy(given: str | Policy | None) -> Policy:
    if isinstance(given, str):
        return load.load(given, f"{runs.state_root()}/policies")
    return given or load.default()


def _furnished(found: Ground) -> Ground:
    """Return it with the workload's environment, and with a trial of the broker under way where one is wanted."""
    env = environment.build(
        _without(os.environ, found.chosen),
        found.request.env,
        found.identity,
        home=found.home,
        tmp=found.private.tmp,
        cuda_cache=found.cuda_cache,
        devices=found.devices.variables if found.devices else {},
    )
    untried = found.host.broker.state == "untried"
    trying = found.confined and untried and wants_broker(found.policy, cuda=found.cuda)
    contributing = _contributing(found) if found.policy.contributors else None
    trial = _broker_trial(found.identity) if trying else None
    return found.replace(environment=env, broker_trial=trial, contributing=contributing)


def _chosen(request: RunRequest, policy: Policy, *, confined: bool) -> Chosen | None:
    """Choose the devices, where any are asked for. What it takes is imported only then."""
    if request.gpu is None and not request.devices:
        return None
    from pyopenshell.devices.choose import choose

    return choose(
        request.gpu,
        request.devices,
        request.cdi_spec_dirs,
        os.environ,
        writable=tuple(path.path for path in policy.filesystem.read_write),
        read_only=tuple(path.path for path in policy.filesystem.read_only),
        unconfined=not confined,
    )


def _devices(chosen: Chosen, who: Identity, env: tuple[str, ...]) -> tuple[Devices, Identity]:
    """Return what is reported of the devices, and the identity with the groups that they ask for."""
    from pyopenshell.effective.devices import report

    can_join = identity.has_group_id if os.geteuid() == 0 else None
    devices = report(chosen, who.groups, can_join, [text.partition("=")[0] for text in env])
    joined = {group.gid for group in devices.groups if group.status == "member"}
    return devices, who.replace(groups=tuple(sorted({*who.groups, *joined})))


def _without(environ: Mapping[str, str], chosen: Chosen | None) -> Mapping[str, str]:
    """Return the caller's environment without a choice of GPUs that was made among others than the sandbox's."""
    if chosen is None or not chosen.selection.hides:
        return environ
    return {name: value for name, value in environ.items() if name != chosen.selection.hides}


def _contributing(found: Ground) -> Contributing:
    """Start asking the third parties that the policy names. What it takes is imported only then."""
    from pyopenshell.launch.contributing import Contributing, Question

    chosen = found.chosen.selection if found.chosen else None
    question = Question(
        command=found.request.command,
        workdir=found.workdir,
        gpu=len(chosen.units) if chosen and chosen.is_gpu else None,
        devices=tuple(one.name for one in found.devices.given) if found.devices else (),
        architecture=found.host.architecture,
    )
    return Contributing(found.policy, found.identity, question, found.host.landlock_abi if found.confined else 0)


def _broker_trial(who: Identity) -> BrokerTrial:
    from pyopenshell.launch.broker_trial import BrokerTrial

    return BrokerTrial(who)
