"""All steps of a probe in their order, and what was missing where one failed."""

from __future__ import annotations

import os

from pyopenshell.devices.probe import needs, product, steps
from pyopenshell.devices.probe.needs import Lacking
from pyopenshell.devices.probe.steps import FAILED, OK, Step
from pyopenshell.record import Record

LIMIT = 120.0
"""Seconds that each step may take: the first start of CUDA after boot on a host with many GPUs takes half a minute."""
NEED_LIMIT = 30.0
"""Seconds that trying all needs may take, unless a step may take less: opening a GPU that sleeps wakes it."""


class Probe(Record):
    """What came of a probe. ``lacking`` is empty unless a step failed that begins with the driver library loaded."""

    steps: tuple[Step, ...]
    lacking: tuple[Lacking, ...] = ()

    @property
    def works(self) -> bool:
        """Whether CUDA starts, shows a device, and nothing else that was tried failed."""
        return self.failure is None

    @property
    def failure(self) -> Step | None:
        """The step that failed."""
        return next((step for step in self.steps if step.status == FAILED), None)


def probe(python: str | None, limit: float = LIMIT) -> Probe:
    """Take every step, each no longer than ``limit`` seconds; ``python`` is the interpreter that has PyTorch."""
    # 1. the driver library   2. cuInit   3. the devices   4. a product, by PyTorch
    done = [steps.load(limit)]
    name = str(done[0].found.get("name"))
    done.append(_after(done, "cuInit(0)") or steps.start(name, limit))
    done.append(_after(done, "devices") or steps.devices(name, limit))
    done.append(_after(done, product.NAME) or product.multiply(python, limit))
    found = Probe(tuple(done))
    if found.failure is None or found.failure is done[0]:
        return found
    # What was never seen to keep CUDA from starting is no cause where it did not start.
    started = done[1].status == OK
    wanted = [need for need in needs.table(os.environ) if need.errors or started]
    return found.replace(lacking=needs.lacking(wanted, found.failure.code, min(limit, NEED_LIMIT)))


def _after(done: list[Step], name: str) -> Step | None:
    """Return the step as one that is not tried, where the one before did not succeed; else None."""
    if done[-1].status == OK:
        return None
    failed = next(step for step in done if step.status != OK)
    return steps.not_tried(name, f"because {failed.name} failed")
