"""Throwaway folders: where state goes meanwhile, and what is left of them."""

import os
from contextlib import suppress

import pytest

from pyopenshell import runs
from pyopenshell.testing import isolated_state, open_workdir
from tests.conftest import whom_sandboxes_run_as


def test_state_is_kept_in_the_folder_and_goes_with_it():
    """Records made in the block are in its folder; afterwards the old place is used again and the folder is gone."""
    before = runs.state_root(), runs.config_root()
    with isolated_state() as folder:
        runs.create("mine", "", {}).close()
        inside = [view.name for view in runs.list_runs()]
        config = runs.config_root()
        assert (folder / "state" / "openshell" / "names" / "mine").exists()
    assert ["mine"] == inside
    assert config.startswith(f"{folder}/")
    assert before == (runs.state_root(), runs.config_root())
    assert not folder.exists()
    assert "mine" not in [view.name for view in runs.list_runs()]


def test_what_was_not_set_is_not_set_afterwards(monkeypatch):
    """Whoever has no XDG_STATE_HOME has none after the block, also when it fails."""
    monkeypatch.delenv("XDG_STATE_HOME")
    with suppress(ZeroDivisionError), isolated_state():
        assert "XDG_STATE_HOME" in os.environ
        raise ZeroDivisionError
    assert "XDG_STATE_HOME" not in os.environ


def test_a_folder_that_is_gone_is_not_made_again():
    """A zygote that tidies up later finds nothing, and leaves nothing."""
    with isolated_state() as folder:
        runs.create("mine", "", {}).close()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(folder / "state"))
        runs.tidy()
    assert not folder.exists()


def test_blocks_nest():
    """An inner block has a state of its own and gives the outer one back."""
    with isolated_state() as outer:
        with isolated_state() as inner:
            assert outer != inner
        assert f"{outer}/state/openshell" == runs.state_root()


def test_a_sandbox_could_work_in_the_folder():
    """It belongs to whom sandboxes run as, and to nobody else; it is removed with what is in it."""
    with open_workdir() as folder:
        info = folder.stat()
        (folder / "made" / "deep").mkdir(parents=True)
        assert (whom_sandboxes_run_as(), 0o700) == (info.st_uid, info.st_mode & 0o777)
    assert not folder.exists()
