"""For your own tests of programs that use sandboxes. What it does is done to the real kernel; nothing is pretended.

- ``isolated_state``, ``open_workdir``: folders that go when the test does.
- ``require``, ``missing``: skip what this machine cannot show, and say what it lacks.
- ``assert_allowed``, ``assert_denied``, ``attempt``: ask the kernel from inside a sandbox.
- ``run_confined``: run a function in a sandbox.
- ``capture_events``: the audit events of a block.
- ``fake_kernel``: the effective policy as it would be on another kernel. The one exception: it plans, and runs nothing.

``pyopenshell.testing.plugin`` has some of it as fixtures for pytest; nothing else here imports pytest.
"""

from pyopenshell.devices.host import Namespaces
from pyopenshell.testing.access import Access, assert_allowed, assert_denied, attempt
from pyopenshell.testing.confined import Confined, run_confined
from pyopenshell.testing.events import Events, capture_events
from pyopenshell.testing.kernel import FakeKernel, fake_kernel
from pyopenshell.testing.needs import missing, require
from pyopenshell.testing.state import isolated_state, open_workdir

__all__ = ["Access", "Confined", "Events", "FakeKernel", "Namespaces", "assert_allowed", "assert_denied", "attempt"]
__all__ += ["capture_events", "fake_kernel", "isolated_state", "missing", "open_workdir", "require", "run_confined"]
