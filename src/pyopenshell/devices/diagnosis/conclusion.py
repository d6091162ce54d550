"""What looking at the host adds to a match, and how its steps are made to fit the host and the vendor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyopenshell.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterable

NVIDIA = "nvidia.com"
MAKERS = {
    "amd.com": "Write AMD's spec: sudo amd-ctk cdi generate --output=/etc/cdi/amd.json",
    "intel.com": "Write Intel's spec: sudo intel-cdi-specs-generator gpu",
}
"""What writes the specs of a vendor (ROCm's container toolkit; Intel's resource drivers for Kubernetes)."""


class Conclusion(Record):
    """The row ``code`` is the cause; ``seen`` says by what, ``steps`` come before the row's own.

    ``most`` is how certain it is at most, where the row's certainty is too much here. ``files`` are specs whose faults
    it is about. ``bare`` says that no GPU is here, so that no spec can be made here.
    """

    code: str
    seen: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()
    most: str = ""
    files: tuple[str, ...] = ()
    bare: bool = False


def vendors(names: Iterable[str]) -> tuple[str, ...]:
    """Return the vendors that CDI names are of, NVIDIA's own under one name: ``k8s.device-plugin.nvidia.com``."""
    found = [name.partition("/")[0].lower() for name in names]
    return tuple(dict.fromkeys(NVIDIA if name.endswith(f".{NVIDIA}") else name for name in found))


def foreign(names: Iterable[str]) -> bool:
    """Whether there are names and none is of NVIDIA."""
    asked = vendors(names)
    return bool(asked) and NVIDIA not in asked


def fitting(steps: tuple[str, ...], names: Iterable[str], *, bare: bool) -> tuple[str, ...]:
    """Return steps without another vendor's tools, and without making a spec where no GPU is."""
    asked = vendors(names)
    found: list[str] = []
    for step in steps:
        if NVIDIA not in asked and asked:
            plain = step.replace("nvidia-ctk cdi list (or openshell gpu list)", "openshell gpu list")
            if "cdi generate" in plain and "FOLDER" not in plain:
                found += [MAKERS.get(vendor, f"Write the spec with {vendor}'s own tool") for vendor in asked]
            elif "nvidia" not in plain.lower():
                found.append(plain)
        elif bare and "cdi generate" in step and not step.startswith("Where "):
            found.append(f"Where the GPU is, {step[:1].lower()}{step[1:]}")
        else:
            found.append(step)
    return tuple(dict.fromkeys(found or steps))
