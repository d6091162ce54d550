"""What a verification leaves behind is told, and only that."""

import errno
import os

import pytest

from pyopenshell.verify import around
from pyopenshell.verify.attempt import CLEANUP, GRANTS, Attempt


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES])
def test_what_cannot_be_removed_is_told_only_where_it_is(code, tmp_path, monkeypatch):
    """A folder in which nothing can be removed answers so about what was never there, too."""
    made, never = tmp_path / ".token-made", tmp_path / ".token-never"
    made.touch()

    def refuse(*_arguments, **_options):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "unlink", refuse)
    tried = [Attempt(GRANTS, str(tmp_path), str(path), "make", CLEANUP, ("call", None)) for path in (made, never)]
    assert (str(made),) == around.remove(tried, ".token")
    monkeypatch.undo()
    assert () == around.remove(tried, ".token")
    assert [] == os.listdir(tmp_path)
