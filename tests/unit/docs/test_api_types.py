"""What type checkers infer of the public interface: ``make check`` runs mypy and pyright over this file."""

from typing import assert_type

import pyopenshell


def test_placeholder() -> None:
    """The version is text."""
    assert_type(pyopenshell.__version__, str)
