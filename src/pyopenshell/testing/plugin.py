"""Fixtures for pytest: ``pytest_plugins = ["pyopenshell.testing.plugin"]`` in the outermost ``conftest.py``.

Their names begin with ``openshell_``. To run whole tests in a sandbox there is the marker ``sandboxed`` of
``pyopenshell.integrations.pytest_plugin``.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Protocol

import pytest

from pyopenshell.testing.events import Events
from pyopenshell.testing.state import isolated_state, open_workdir

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Unpack

    from pyopenshell.integrations.options import SandboxOptions
    from pyopenshell.policy.model import Policy
    from pyopenshell.sandbox.box import Sandbox


class MakeSandbox(Protocol):
    """What ``openshell_sandbox`` is: it starts a sandbox, which is closed when the test ends."""

    def __call__(
        self, policy: Policy | str | os.PathLike[str] | None = None, **options: Unpack[SandboxOptions]
    ) -> Sandbox:
        """Take what ``Sandbox`` takes; the working folder is ``openshell_workdir`` unless another one is named."""
        ...


@pytest.fixture
def openshell_state() -> Iterator[Path]:
    """Keep the records of this test's sandboxes in a throwaway folder; gives its path."""
    with isolated_state() as folder:
        yield folder


@pytest.fixture
def openshell_workdir() -> Iterator[Path]:
    """Make an empty folder that a sandbox can work in, also root's, whose identity cannot enter ``tmp_path``."""
    with open_workdir() as folder:
        yield folder


@pytest.fixture
def openshell_events(openshell_state: Path) -> Events:
    """Give the audit events of this test's sandboxes, read again at each use."""
    return Events(f"{openshell_state}/state/openshell")


@pytest.fixture
def openshell_sandbox(openshell_state: Path, openshell_workdir: Path) -> Iterator[MakeSandbox]:
    """Start sandboxes, with isolated state, and close them when the test ends."""
    from pyopenshell.sandbox.box import Sandbox

    with ExitStack() as stack:

        def make(policy: Policy | str | os.PathLike[str] | None = None, **options: Unpack[SandboxOptions]) -> Sandbox:
            options.setdefault("workdir", openshell_workdir)
            return stack.enter_context(Sandbox(policy, **options))

        yield make
