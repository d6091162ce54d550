"""``openshell doctor``: would a sandbox work on this host, and one with a GPU? What can be tried is tried."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyopenshell.cli import output
from pyopenshell.cli.doctor import view
from pyopenshell.cli.doctor.codes import CRITICAL, FAIL, GPU_GROUPS

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from pyopenshell.cli.doctor.codes import Check


def doctor(arguments: argparse.Namespace) -> int:
    """Print every check. Returns 0 where a sandbox would work (with ``--gpu``: one with a GPU), else 1."""
    from pyopenshell.cli.doctor import everything

    asked = arguments.gpu or None
    checks = everything.checks(asked, tuple(arguments.cdi_spec_dirs))
    works = all(check.severity != CRITICAL for check in checks)
    gpu_works = _gpu_works(checks, works=works, gpu=asked is not None)
    if arguments.output == "table":
        view.tell(checks, works=works, gpu_works=gpu_works, gpu=asked is not None)
    else:
        output.document(view.document(checks, works=works, gpu_works=gpu_works), arguments.output)
    return 0 if (works if asked is None else gpu_works) else 1


def _gpu_works(checks: Sequence[Check], *, works: bool, gpu: bool) -> bool | None:
    """Return whether a sandbox with a GPU works; None where there is no GPU and none was asked for."""
    if not gpu and any(check.code == "gpu.none" for check in checks):
        return None
    return works and not any(check.group in GPU_GROUPS and check.status == FAIL for check in checks)


VERBS = {"doctor": doctor}
