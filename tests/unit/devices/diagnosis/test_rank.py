"""Several causes in one text: the one that names the thing comes first, and one text is not told twice."""

from __future__ import annotations

import pytest

from pyopenshell.devices.diagnosis import diagnose
from tests.unit.devices.diagnosis.prefixes import HOOK
from tests.unit.devices.diagnosis.texts import SAMPLES

GENERAL = SAMPLES["cdi.unresolvable"][0]


def codes(text):
    return [cause.code for cause in diagnose(text)]


@pytest.mark.parametrize(
    "code",
    [
        *("cdi.syntax", "cdi.unknown-field", "cdi.invalid-version", "cdi.empty", "cdi.bad-kind", "cdi.conflict"),
        *("cdi.empty-device", "cdi.spec-device", "cdi.unreadable", "cdi.dangling-link"),
    ],
)
def test_what_the_registry_said_comes_before_the_general_text(code):
    """With --log-level=debug podman says why beside what: why is the first cause, wherever it stands."""
    for text in (SAMPLES[code][-1] + GENERAL, GENERAL + SAMPLES[code][-1]):
        assert [code, "cdi.unresolvable"] == codes(text)


def test_the_engine_is_told_by_its_words():
    """The same words within Docker's or Kubernetes' longer ones are not told a second time."""
    assert ["docker.cdi-unresolvable"] == codes(SAMPLES["docker.cdi-unresolvable"][0])
    assert ["k8s.cdi-unresolvable"] == codes(SAMPLES["k8s.cdi-unresolvable"][0])
    both = SAMPLES["k8s.cdi-unresolvable"][0] + GENERAL
    assert ["k8s.cdi-unresolvable", "cdi.unresolvable"] == codes(both)


def test_of_equals_the_longer_text_counts():
    """A device without edits is just that, though the longer line begins like any refused device."""
    assert ["cdi.empty-device"] == codes(SAMPLES["cdi.empty-device"][1])


def test_equals_come_as_they_come():
    """Among equally certain causes the first in the text is the first that is named."""
    loaded, full = HOOK + "nvml error: driver not loaded\n", SAMPLES["shm.nccl"][0]
    assert ["driver.not-loaded", "shm.nccl"] == codes(loaded + full)
    assert ["shm.nccl", "driver.not-loaded"] == codes(full + loaded)


def test_a_repeated_failure_is_one_cause():
    """A log that says it a thousand times has one cause, on the first line of it."""
    (cause,) = diagnose("fine\n" + GENERAL * 1000)
    assert 2 == cause.line
