"""All baselines of one sandbox, in the order in which they are reported."""

from __future__ import annotations

from pyopenshell.baseline import process, proxy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyopenshell.baseline.model import Private, Proposal
    from pyopenshell.devices.choose import Chosen


def propose(
    private: Private,
    *,
    network: str,
    command: tuple[Proposal, ...] = (),
    chosen: Chosen | None = None,
) -> tuple[Proposal, ...]:
    """Return the proposals of every table that applies.

    ``network`` is the mode; ``command`` what ``baseline.command`` found; ``chosen`` the devices, None for a sandbox
    that asks for none, whatever there is on the host.
    """
    result = (*process.proposals(private), *command, *proxy.proposals(private, network))
    if chosen is None:
        return result
    if chosen.merged.nodes or chosen.merged.mounts:
        from pyopenshell.baseline import cdi

        result = (*result, *cdi.proposals(chosen.merged))
    if chosen.selection.is_gpu:
        from pyopenshell.baseline import gpu

        result = (*result, *gpu.proposals(chosen.selection, private))
    return result
