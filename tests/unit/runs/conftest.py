"""A state folder of its own for every test."""

import pytest


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A state folder of the test's own; returns ``<state>/openshell``, which does not exist yet."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.delenv("OPENSHELL_KEEP_RUNS", raising=False)
    return tmp_path / "openshell"
