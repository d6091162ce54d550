"""What every integration passes on to the sandboxes it makes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypedDict

from pyopenshell.sandbox.base import PROGRAMS

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence


class SandboxOptions(TypedDict, total=False):
    """Keyword arguments of ``pyopenshell.Sandbox`` but for the policy and the name; see there."""

    gpu: int | Literal["all"] | None
    devices: Sequence[str]
    cdi_spec_dirs: Sequence[str]
    env: Mapping[str, str | None] | None
    workdir: str | os.PathLike[str] | None
    programs: Sequence[str]
    max_abi: int | None
    unsafe_unconfined: bool


def with_program(options: SandboxOptions, program: str) -> SandboxOptions:
    """Return the options with one more program whose environment may be read."""
    return {**options, "programs": (program, *options.get("programs", PROGRAMS))}
