"""Planted faults, and which tests are chosen."""

import pytest

from tests.kernels.faults import FAULTS, Edit, plant
from tests.kernels.image import CHECKOUT
from tests.kernels.inside import marked
from tests.kernels.packages import Unavailable


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_each_fault_has_its_place(name, tmp_path):
    """The source still holds what each fault changes, once."""
    for edit in FAULTS[name]:
        file = tmp_path / edit.file
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text((CHECKOUT / edit.file).read_text())
    plant(FAULTS[name], tmp_path)
    assert all(edit.new in (tmp_path / edit.file).read_text() for edit in FAULTS[name])


def test_a_fault_without_a_place(tmp_path):
    """A fault that cannot be planted is told: the run would pass and prove nothing."""
    (tmp_path / "a.py").write_text("x = 1\n")
    with pytest.raises(Unavailable, match=r"a\.py holds the place of this fault 0 times"):
        plant((Edit("a.py", "x = 2", "x = 3"),), tmp_path)


def test_marked_files(tmp_path):
    """Only the files that hold the marker are collected on other kernels."""
    (tmp_path / "test_a.py").write_text("@pytest.mark.kernels\ndef test_a(): ...\n")
    (tmp_path / "test_b.py").write_text("def test_b(): ...\n")
    (tmp_path / "test_c.py").write_text("pytestmark = [needs_landlock, pytest.mark.kernels]\n")
    assert [str(tmp_path / name) for name in ("test_a.py", "test_c.py")] == marked([str(tmp_path)])
