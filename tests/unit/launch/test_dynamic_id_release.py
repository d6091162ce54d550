"""An id that is let go of leaves no file behind, and can be taken again."""

import os

import pytest

from pyopenshell.launch import dynamic_id


def test_release_removes_the_lock_file(tmp_path, monkeypatch):
    """The same name gets the same id again, and nothing piles up."""
    if os.geteuid() != 0:
        pytest.skip("needs: root")
    monkeypatch.setattr(dynamic_id, "LOCKS", str(tmp_path))
    uid, lock = dynamic_id.take("demo", None)
    assert [str(uid)] == os.listdir(tmp_path)
    dynamic_id.release(uid, lock)
    assert [] == os.listdir(tmp_path)
    again, lock = dynamic_id.take("demo", None)
    dynamic_id.release(again, lock)
    assert uid == again
