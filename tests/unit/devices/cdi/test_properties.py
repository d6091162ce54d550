"""No input crashes the reader: bytes, structures and mutated specs end in a spec or in faults, each with its mend."""

import json
import pathlib
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyopenshell.devices.cdi import edits, host, names, registry, spec
from pyopenshell.devices.cdi.codes import CODES
from pyopenshell.devices.cdi.read import Faults, read_bytes
from pyopenshell.errors import GpuError

SAMPLES = [path.read_bytes() for path in sorted((pathlib.Path(__file__).parent / "samples").iterdir())]
KEYS = sorted(spec.SPEC | spec.DEVICE | edits.EDITS | edits.NODE | edits.MOUNT | edits.HOOK | edits.RDT)
TEXTS = [
    "0",
    "all",
    "nvidia.com/gpu",
    "0.5.0",
    "/dev/null",
    "A=1",
    "rw",
    "c",
    "createContainer",
    "",
    "~",
    "0:rw",
    "\t",
    "\0",
]
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(TEXTS)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=6), inner, max_size=5)
    ),
    max_leaves=25,
)


def check(data):
    """Read these bytes; hold what every result must be."""
    reading = read_bytes(data, "a.yaml")
    broken = any(fault.severity == "error" for fault in reading.faults)
    assert broken == (reading.spec is None)
    text = data.count(b"\n") + data.count(b"\r") + 2
    for fault in reading.faults:
        assert CODES[fault.code].severity == fault.severity
        assert fault.mend
        assert fault.message
        assert len(fault.message) < 400
        assert fault.line is None or 0 < fault.line
        assert fault.line is None or fault.line <= text + data.count(b"\xc2\x85") + data.count(b"\xe2\x80")
    if reading.spec is not None:
        found = registry.gather([reading])
        assert len(reading.spec.devices) == len(found.names()) > 0
        for name in found.names():
            assert name == found.find(name).name
            assert None is names.wrong_kind(names.split(name)[0])
        faults = Faults("a.yaml")
        host.check(reading.spec, "570.86.15", faults.note)
        assert all(fault.mend for fault in faults.ordered())
    return reading


@given(st.binary(max_size=300))
def test_any_bytes(data):
    """Garbage is faults."""
    check(data)


@given(st.text(max_size=200))
def test_any_text(text):
    """Text is faults, or a spec nobody expected."""
    check(text.encode("utf-8", "surrogatepass"))


@given(st.text(alphabet="[]{}:,-*&!<>|'\"?#% \n\tab01", max_size=80))
def test_any_yaml(text):
    """What YAML is made of, in any order."""
    check(text.encode())


@given(VALUES)
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_any_structure(value):
    """Any JSON, with the words of CDI in it."""
    check(json.dumps(value).encode())


@given(st.dictionaries(st.sampled_from(sorted(edits.EDITS)), VALUES, max_size=4))
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_any_edits(value):
    """A spec that is right but for the edits of its device."""
    devices = [{"name": "a", "containerEdits": value}]
    check(json.dumps({"cdiVersion": "1.1.0", "kind": "a.com/b", "devices": devices}).encode())


@given(st.data())
@settings(max_examples=150)
def test_mutated_samples(data):
    """A sample with bytes changed, taken out, doubled or moved."""
    sample = bytearray(data.draw(st.sampled_from(SAMPLES)))
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(sample) - 1))
        end = min(len(sample), start + data.draw(st.integers(0, 40)))
        piece = data.draw(
            st.binary(max_size=6)
            | st.just(bytes(sample[start:end]) * 2)
            | st.sampled_from([b"&a ", b"*a", b"<<: ", b"null"])
        )
        sample[start:end] = piece
        if not sample:
            break
    check(bytes(sample))


WORD = re.compile(rb"[A-Za-z][A-Za-z]+(?=:|\":)")


@pytest.mark.parametrize("index", range(len(SAMPLES)))
def test_every_field_misspelt(index):
    """Each field's name with a letter taken out is an unknown field, on its line, and the right one is its mend."""
    sample = SAMPLES[index]
    seen = set()
    for match in WORD.finditer(sample):
        word = match.group().decode()
        if word not in KEYS or word in seen:
            continue
        seen.add(word)
        line = sample[: match.start()].count(b"\n") + 1
        reading = check(sample[: match.start()] + word[1:].encode() + sample[match.end() :])
        fault = next(fault for fault in reading.faults if fault.code == "cdi.unknown-field")
        assert line == fault.line
        assert f"write {word}" == fault.mend or word in ("uid", "gid"), "what is left of one is as near to the other"
    assert len(seen) > 8


@given(st.text(max_size=40) | st.sampled_from(["nvidia.com/gpu=gpu0", "nvidia.com/gpu=gpu0:r"]))
def test_any_name(name):
    """Whatever is asked for is found, or refused with a hint."""
    found = registry.gather([read_bytes(SAMPLES[0], "a.yaml")])
    if name in found.names():
        assert name == found.find(name).name
        return
    with pytest.raises(GpuError) as caught:
        found.find(name)
    assert caught.value.hint
    assert caught.value.code in ("cdi.bad-name", "cdi.unknown-device")


@given(st.lists(st.text(alphabet="0123456789ab:", min_size=1, max_size=6), unique=True))
def test_natural_order_is_an_order(words):
    """Any set of names has one order, and only names that differ in zeros at the front are alike."""
    ordered = sorted(words, key=names.natural)
    assert ordered == sorted(ordered, key=names.natural)
    assert sorted(words) == sorted(ordered)
