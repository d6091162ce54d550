"""The golden rule lists, and how they are made: ``python -m tests.unit.effective.golden`` writes them anew."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tests.unit.effective.cases import GPUS, composed

if TYPE_CHECKING:
    from pyopenshell.devices.host import Device

FOLDER = Path(__file__).parent / "golden"
REQUESTS: dict[str, tuple[int | None, tuple[Device, ...]]] = {
    "without-gpu": (None, ()),
    "gpu-runtime-only": (0, GPUS),
    "gpu-all": (-1, GPUS),
}
"""The name of a list: the GPUs asked for, and those of the host."""


def rules(gpu: int | None, devices: tuple[Device, ...]) -> str:
    """Return every grant of an agent's sandbox, a line each: status, id, rights."""
    effective = composed(
        gpu=gpu, devices=devices, read_only=["/data"], read_write=["/home/me/project/src"], include_workdir=True
    )
    return "".join(f"{grant.status:<8} {grant.id} {','.join(grant.access)}\n" for grant in effective.grants)


def main() -> None:
    """Write all lists."""
    for name, (gpu, devices) in REQUESTS.items():
        (FOLDER / f"{name}.txt").write_text(rules(gpu, devices), encoding="utf-8")


if __name__ == "__main__":
    main()
