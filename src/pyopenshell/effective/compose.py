"""The only place where layers meet: operator, baselines, runtime and host become one effective policy.

A pure function of its request. Each rule of docs/design.md, sections 4 and 5, is a small function of its own:
``declared`` (what the operator wrote), ``refuse`` (what may not be), ``layers`` (baselines), ``runtime`` (CUDA's thread
names), ``findings`` (what to know).
"""

from __future__ import annotations

from pyopenshell.effective import findings
from pyopenshell.effective.declared import declared
from pyopenshell.effective.layers import join
from pyopenshell.effective.model import Effective
from pyopenshell.effective.refuse import refuse
from pyopenshell.effective.request import Request, Resolved
from pyopenshell.effective.runtime import thread_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyopenshell.effective.declared import Placed
    from pyopenshell.effective.model import Finding

__all__ = ["Request", "Resolved", "compose"]


def compose(request: Request) -> Effective:
    """Return everything the sandbox may do, with origin and reason, before anything is launched.

    Grants come in the order declared, working directory, baselines, runtime. Raises PolicyRefused, with the line of
    the policy, for what may not be granted on this host or together with this request; GpuError for a device of which
    nothing is here.
    """
    own, about_declared = declared(request)
    refuse(request, own)
    baselines, about_baselines = join(request, own)
    additions, about_runtime = thread_names(request, own)
    entries, about_network = findings.network(request.policy.network)
    policy = request.policy
    return Effective(
        name=request.name,
        run_id=request.run_id,
        declared=policy.declared,
        file=policy.source.file,
        source_sha256=policy.source.sha256,
        identity=request.identity,
        grants=(*(item.grant for item in own), *(item.grant for item in baselines), *additions),
        network=request.network.replace(entries=entries),
        isolation=request.isolation,
        landlock=request.landlock,
        devices=request.devices,
        contributors=request.contributors,
        limits=request.limits,
        findings=(
            *about_declared,
            *findings.home(request, [*own, *baselines]),
            *findings.secrets(request, [*own, *baselines]),
            *findings.policy_file(request, [*own, *baselines]),
            *findings.own_code(request, [*own, *baselines]),
            *findings.special_files([*own, *baselines]),
            *findings.own_proc(own),
            *findings.granted_sockets(request),
            *about_baselines,
            *about_runtime,
            *_about_devices(request, [*own, *baselines]),
            *findings.landlock(request),
            *findings.isolation(request),
            *about_network,
        ),
    )


def _about_devices(request: Request, grants: list[Placed]) -> list[Finding]:
    """Return what will break a program that uses the devices; imported only where there are any."""
    if request.devices is None:
        return []
    from pyopenshell.effective.preflight import check
    from pyopenshell.effective.preflight import findings as about

    check(request.devices, grants)
    return about(request, grants)
