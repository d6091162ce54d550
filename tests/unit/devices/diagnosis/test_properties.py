"""Properties: no input makes a diagnosis fail, and noise around it never hides what a row is about."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from pyopenshell.devices.cdi.codes import CODES as FAULTS
from pyopenshell.devices.cdi.codes import fault
from pyopenshell.devices.cdi.registry import Folder
from pyopenshell.devices.diagnosis import Surroundings, diagnose
from pyopenshell.devices.diagnosis.row import CERTAINTIES
from pyopenshell.devices.diagnosis.surroundings import Card, Setting
from pyopenshell.devices.host import Device
from tests.unit.devices.diagnosis.texts import SAMPLES

CODES = sorted(SAMPLES)
NOISE = st.one_of(
    st.binary(max_size=200),
    st.text(max_size=100).map(lambda text: text.encode("utf-8", "replace")),
    st.sampled_from(
        [b"\x1b[31m", b"\x1b]0;", b'{"log":"', b"\\n\\t* ", b"\r", b"| ", b"time=x level=info msg=", b"\\"]
    ),
)
ROW = st.sampled_from(CODES).flatmap(lambda code: st.tuples(st.just(code), st.sampled_from(SAMPLES[code])))

NAMES = st.sampled_from(["nvidia.com/gpu=all", "nvidia.com/gpu=0", "amd.com/gpu=0", "example.com/nic=x"])
HERE = st.builds(
    Surroundings,
    st.lists(st.builds(Folder, st.sampled_from(["/etc/cdi", "/run/cdi"]), st.integers(0, 40), st.integers(0, 3))).map(
        tuple
    ),
    st.lists(
        st.builds(
            lambda code, line: fault(code.removeprefix("cdi."), "wrong", file="/etc/cdi/x.yaml", line=line),
            st.sampled_from(sorted(FAULTS)),
            st.none() | st.integers(1, 9),
        )
    ).map(tuple),
    st.lists(NAMES).map(tuple),
    st.lists(
        st.builds(
            Device,
            st.sampled_from(["/dev/nvidia0", "/dev/nvidiactl", "/dev/kfd"]),
            st.sampled_from(["gpu", "control"]),
            st.sampled_from(["nvidia", "amd", "wsl"]),
        )
    ).map(tuple),
    st.none() | st.just("570.169"),
    st.lists(st.builds(Card, st.just("0000:01:00.0"), st.sampled_from(["nvidia", "amd"]))).map(tuple),
    st.lists(
        st.builds(
            Setting,
            st.sampled_from(["docker", "containerd", "podman"]),
            st.just("/usr/bin/x"),
            st.none() | st.booleans(),
            st.just("a file"),
            st.just("28.2"),
            st.lists(st.sampled_from(["/etc/cdi", "/opt/cdi"])).map(tuple),
        )
    ).map(tuple),
)


@given(ROW, HERE)
@settings(max_examples=300)
def test_every_host_has_an_answer(row, here):
    """Whatever a host shows, a failure keeps a cause whose symptom it is, and every cause has its steps."""
    code, text = row
    causes = diagnose(text, here)
    assert code in [cause.symptom for cause in causes]
    assert all(cause.steps and all(cause.steps) for cause in causes)
    assert len({(cause.code, cause.seen) for cause in causes}) == len(causes)


@given(st.one_of(NOISE, st.text(max_size=400)))
@settings(max_examples=300)
def test_no_input_is_an_error(text):
    """Any bytes and any text have an answer: causes by falling certainty, each with its evidence."""
    for here in (None, Surroundings()):
        causes = diagnose(text, here)
        ranks = [CERTAINTIES.index(cause.certainty) for cause in causes]
        assert sorted(ranks) == ranks
        assert all(cause.evidence.isprintable() and cause.line >= 1 for cause in causes)


@given(NOISE, ROW, NOISE)
@settings(max_examples=400)
def test_noise_hides_nothing(before, row, after):
    """Every text of every row is found between any other lines."""
    code, text = row
    found = diagnose(before + b"\n" + text.encode() + b"\n" + after)
    assert code in [cause.code for cause in found]


@given(st.lists(ROW, min_size=1, max_size=4))
def test_several_failures_are_all_named(rows):
    """Where several go wrong, each is told, unless another row's text lies over it."""
    text = "\n".join(text for _code, text in rows)
    assert {code for code, _text in rows} <= {cause.code for cause in diagnose(text)}


@given(ROW, st.integers(60, 120))
def test_wrapping_hides_nothing(row, width):
    """A terminal's hard wrap changes nothing."""
    code, text = row
    wrapped = "\n".join(text[start : start + width] for start in range(0, len(text), width))
    assert code in [cause.code for cause in diagnose(wrapped)]
