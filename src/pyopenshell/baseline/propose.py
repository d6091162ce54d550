"""All baselines of one sandbox, in the order in which they are reported."""

from __future__ import annotations

from pyopenshell.baseline import process, proxy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyopenshell.baseline.model import Private, Proposal
    from pyopenshell.devices.host import Device


def propose(
    private: Private,
    *,
    network: str,
    command: tuple[Proposal, ...] = (),
    gpu: int | None = None,
    devices: tuple[Device, ...] = (),
) -> tuple[Proposal, ...]:
    """Return the proposals of every table that applies.

    ``network`` is the mode; ``command`` what ``baseline.command`` found; ``gpu`` None for a sandbox that asks for no
    GPU, whatever devices there are, ``baseline.gpu.ALL`` or 0. Raises GpuError as ``baseline.gpu`` does.
    """
    result = (*process.proposals(private), *command, *proxy.proposals(private, network))
    if gpu is None:
        return result
    from pyopenshell.baseline import gpu as table

    return (*result, *table.proposals(devices, gpu, private))
