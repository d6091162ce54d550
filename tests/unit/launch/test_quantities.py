"""Amounts as people write them."""

import pytest

from pyopenshell.errors import UsageError
from pyopenshell.launch import quantities


@pytest.mark.parametrize(("text", "value"), [("2", 2), ("0.5", 0.5), ("500m", 0.5), ("1500m", 1.5), ("0.25", 0.25)])
def test_processors(text, value):
    """CPUs, or thousandths of one."""
    assert value == quantities.cpu(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1024", 1024),
        ("1Ki", 1024),
        ("512Mi", 512 << 20),
        ("1Gi", 1 << 30),
        ("1.5Gi", 3 << 29),
        ("2Ti", 2 << 40),
        ("1k", 1000),
        ("1G", 10**9),
        ("0.1Ki", 103),
    ],
)
def test_memory(text, value):
    """Bytes, rounded up."""
    assert value == quantities.memory(text)


MISTAKES = ["", "m", "-1", "+1", "1e3", "1,5", " 1", "1 ", ".5", "1.", "0x10", "nan", "٣", "9" * 30, "1\n"]


@pytest.mark.parametrize("text", [*MISTAKES, "0.5m", "1Gi", "1mm"])
def test_what_is_no_number_of_processors(text):
    """One message, which says what to write."""
    with pytest.raises(UsageError) as raised:
        quantities.cpu(text)
    assert ("limits.quantity", quantities.CPU_HINT) == (raised.value.code, raised.value.hint)


@pytest.mark.parametrize("text", [*MISTAKES, "1g", "1gi", "1GiB", "1Gi1", "1iG", "0.5", "1 Gi", "1MiMi"])
def test_what_is_no_amount_of_memory(text):
    """One message, which says what to write."""
    with pytest.raises(UsageError) as raised:
        quantities.memory(text)
    assert ("limits.quantity", quantities.MEMORY_HINT) == (raised.value.code, raised.value.hint)
