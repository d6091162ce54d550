"""A pytest plugin: tests marked ``@pytest.mark.sandboxed(policy="policy.yaml")`` run in a sandbox of their own.

Nothing of such a test runs here, its fixtures neither: another pytest, in the sandbox, runs that one test, and what it
reports is taken for this test's outcome, after it was checked. pytest loads this by its entry point; without the
marker it does nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pyopenshell.integrations.pytest_sandboxed import Request  # noqa: F401 - named in a text below

MARKER = (
    "sandboxed(policy=None, *, timeout=None, gpu=None, devices=(), env={}, workdir=None, ...): run this test in a "
    "sandbox of its own, behind a policy (a file, relative to the root folder, a mapping or a pyopenshell.Policy; "
    "by default one that may read what the test needs and write nothing but its own /tmp)"
)
_REQUEST = pytest.StashKey["Request"]()


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line("markers", MARKER)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Read the marks. Raises UsageError for one that cannot be understood, or whose policy is not valid."""
    marked = [(item, mark) for item in items if (mark := item.get_closest_marker("sandboxed")) is not None]
    if not marked:
        return
    from pyopenshell.integrations.pytest_sandboxed import read

    for item, mark in marked:
        item.stash[_REQUEST] = read(item, mark)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Run a marked test in its sandbox; leave the others to pytest."""
    request = item.stash.get(_REQUEST, None)
    if request is None:
        return None
    from pyopenshell.integrations.pytest_sandboxed import perform

    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for report in perform(item, nextitem, request):
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True
