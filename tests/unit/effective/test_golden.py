"""The golden rule lists of one agent's sandbox, with and without GPUs."""

import pytest

from tests.unit.effective import golden
from tests.unit.effective.cases import GPUS


@pytest.mark.parametrize("name", golden.REQUESTS)
def test_rule_lists_are_the_golden_ones(name):
    """A change of any grant is seen in review."""
    assert (golden.FOLDER / f"{name}.txt").read_text(encoding="utf-8") == golden.rules(*golden.REQUESTS[name])


def test_gpu_nodes_on_the_host_change_nothing_for_others():
    """A sandbox that asks for no GPU has the same list whether or not there is one."""
    expected = (golden.FOLDER / "without-gpu.txt").read_text(encoding="utf-8")
    assert expected == golden.rules(None, ())
    assert expected == golden.rules(None, GPUS)


def test_asking_for_a_gpu_only_adds():
    """The lists with a GPU begin with the same grants, less those the additions cover."""
    plain = {line.split()[1] for line in golden.rules(None, ()).splitlines()}
    for gpu in (0, -1):
        lines = {line.split()[1] for line in golden.rules(gpu, GPUS).splitlines()}
        assert plain < lines
