"""Texts as terminals, logs and clipboards leave them: what is searched, and what is shown of it."""

from __future__ import annotations

import json
import re
import textwrap
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyopenshell import diagnose
from pyopenshell.devices.diagnosis.text import BLOCK, GAP, KEPT, LIMIT, Text, find, squeeze

ERROR = 'Error: unable to start container "9a2f": setting up CDI devices: unresolvable CDI devices nvidia.com/gpu=all'
FIELD = 'failed to unmarshal CDI Spec: error unmarshaling JSON: while decoding JSON: json: unknown field "hostPath"'


def only(text):
    """The one cause of a text."""
    (cause,) = diagnose(text)
    return cause


SHAPES = {
    "plain": ERROR,
    "colours": ERROR.replace("unresolvable", "\x1b[1;31munresolvable\x1b[0m").replace("CDI ", "C\x1b[33mDI\x1b(B "),
    "a link": f"\x1b]8;;https://example.com/x\x1b\\{ERROR}\x1b]8;;\x07",
    "timestamps": f"2025-11-22T04:17:40.123456789Z stderr F {ERROR}",
    "a JSON log": json.dumps({"log": ERROR + "\n", "stream": "stderr", "time": "2025-11-22T04:17:40Z"}),
    "JSON in JSON": json.dumps({"msg": json.dumps({"log": ERROR + "\n"})}),
    "colours in JSON": json.dumps({"log": ERROR.replace("unresolvable", "\x1b[31munresolvable\x1b[0m")}),
    "CRLF": f"first\r\n{ERROR}\r\nlast\r\n",
    "progress bars": f"10%\r20%\r{ERROR}\r100%",
    "wrapped at words": "\n".join(textwrap.wrap(ERROR, 60)),
    "wrapped anywhere": "\n".join(ERROR[start : start + 70] for start in range(0, len(ERROR), 70)),
    "wrapped and indented": "\n".join(textwrap.wrap(ERROR, 60, subsequent_indent=" " * 40)),
    "a box": "\n".join(f"│ {line:<60} │" for line in textwrap.wrap(ERROR, 60)),
    "an ASCII box": "\n".join(f"| {line:<60} |" for line in textwrap.wrap(ERROR, 60)),
    "compose": f"web-1  | {ERROR}",
    "other capitals": ERROR.upper().replace("NVIDIA.COM/GPU=ALL", "nvidia.com/gpu=all"),
    "UTF-16": ERROR.encode("utf-16"),
    "UTF-16 without a mark": ERROR.encode("utf-16-le"),
    "no UTF-8": b"\xff\xfe\x80" + ERROR.encode() + b"\xc3(",
    "NULs": b"\0\0" + ERROR.encode() + b"\0",
}


@pytest.mark.parametrize("shape", SHAPES)
def test_what_became_of_a_text_does_not_matter(shape):
    """The same error is found in every shape, with the device that it names."""
    cause = only(SHAPES[shape])
    assert ("cdi.unresolvable", ("nvidia.com/gpu=all",)) == (cause.code, cause.names)


def test_escaped_quotes_in_the_middle():
    """Quotes that a logger escaped, once or more, are no obstacle, and are not shown escaped."""
    for text in (FIELD, json.dumps(FIELD), json.dumps(json.dumps(FIELD))):
        cause = only(text)
        assert "cdi.unknown-field" == cause.code
        assert 'json: unknown field "hostPath"' in cause.evidence


def test_an_escaped_sign():
    r"""Go writes ``>`` as ``\u003e``: it is read as ``>``."""
    cause = only(r'{"msg":"requirement error: unsatisfied condition: cuda\u003e=12.8"}')
    assert "cuda>=12.8" in cause.evidence


def test_the_line_is_the_inputs_own():
    """Escaped line breaks separate what is shown, and do not count as lines."""
    cause = only(f'one\ntwo\n{{"log":"hook failed\\n{ERROR.replace(chr(34), chr(92) + chr(34))}\\nbye"}}\nfour\n')
    assert (3, ERROR) == (cause.line, cause.evidence)


def test_evidence_cannot_steer_a_terminal():
    """It is one printable line, and not a long one."""
    cause = only(f"{'x' * 5000} \x07\x9b\u202e {ERROR}\x00\x08 {'y' * 5000}")
    assert cause.evidence.isprintable()
    assert 300 > len(cause.evidence) > len(ERROR)
    assert "unresolvable CDI devices nvidia.com/gpu=all" in cause.evidence
    assert cause.evidence.startswith("…")
    assert cause.evidence.endswith("…")


def test_a_name_that_a_terminal_broke():
    """A device whose name goes on in the next line is put together."""
    assert ("nvidia.com/gpu=all",) == only("unresolvable CDI devices nvidia.com/g\npu=all\n").names


def test_names_and_paths_of_all_places():
    """What several lines name is gathered, each once."""
    text = "".join(f"unresolvable CDI devices nvidia.com/gpu={number % 3}, nvidia.com/gpu=9\n" for number in range(6))
    names = only(text).names
    assert {"nvidia.com/gpu=0", "nvidia.com/gpu=1", "nvidia.com/gpu=2", "nvidia.com/gpu=9"} == set(names)
    assert 4 == len(names)
    assert ("/dev/nvidia-uvm",) == only('failed to stat CDI host device "/dev/nvidia-uvm": no such file').paths


@pytest.mark.parametrize(
    "noise",
    [
        b"x" * 10_000_000,
        b"unresolvable CDI device \n" * 400_000,
        b"error mounting libcuda " * 450_000,
        b"\\" * 10_000_000,
        b"\x1b[" * 5_000_000,
        b"\x1b]0;" * 2_500_000,
        b'\\"\\n\\u003e' * 1_000_000,
        b" " * 10_000_000,
        bytes(range(256)) * 40_000,
        b"device error: " * 700_000,
    ],
    ids=["line", "nearly", "first pieces", "backslashes", "CSI", "OSC", "escapes", "spaces", "binary", "pieces"],
)
def test_ten_megabytes(noise):
    """Whatever 10 MB hold, in one line or many, an error before or behind them is found, in seconds."""
    for text in (ERROR.encode() + b"\n" + noise, noise + b"\n" + ERROR.encode()):
        begin = time.monotonic()
        assert "cdi.unresolvable" in [cause.code for cause in diagnose(text)]
        assert 20 > time.monotonic() - begin


@pytest.mark.parametrize("noise", [b"x", b" ", b"\xff", b'a\\"b ', b"\x1b[31m"])
def test_in_the_middle_of_ten_megabytes_of_one_line(noise):
    """An error far from both ends of a line is found, and shown with a little of what is around it."""
    half = noise * (5_000_000 // len(noise))
    cause = only(half + b" " + ERROR.encode() + b" " + half)
    assert "unresolvable CDI devices nvidia.com/gpu=all" in cause.evidence
    assert 300 > len(cause.evidence)
    assert ("nvidia.com/gpu=all",) == cause.names


def test_of_more_the_end_counts():
    """A text above the limit is cut at its beginning, and says so."""
    text = Text(b"nvml error: driver not loaded\n" + b"\n" * LIMIT)
    assert text.cut
    assert b"driver" not in text.plain
    assert not Text(b"\n" * LIMIT).cut


@given(st.binary(max_size=300), st.integers(0, 3 * BLOCK))
def test_positions_lead_back(data, spaces):
    """Each character of the squeezed text is where it came from, across blocks too."""
    text = Text(data[:50] + b" " * spaces + data[50:])
    for index, byte in enumerate(text.squeezed[:40]):
        place = text.position(index)
        assert text.plain[place] in KEPT
        assert chr(byte) == chr(text.plain[place]).lower()
    if text.squeezed:
        last = len(text.squeezed) - 1
        assert not squeeze(text.plain[text.position(last) + 1 :])


@given(st.text("ab.", max_size=60), st.lists(st.sampled_from(["a", "b", "ab", "ba", "aab"]), min_size=1, max_size=2))
def test_find_is_what_a_pattern_means(text, pieces):
    """For one gap, the search finds just what the regular expression finds that says the same."""
    words = [piece.encode() for piece in pieces]
    pattern = re.compile((b".{0,%d}?" % GAP).join(map(re.escape, words)), re.DOTALL)
    expected, found = pattern.search(text.encode()), find(text.encode(), tuple(words))
    assert (expected.span() if expected else None) == ((found[0][0], found[-1][1]) if found else None)


def test_a_gap_is_no_other_message():
    """The beginning of one message and the end of another are neither's, though they are near."""
    first = "failed to load CDI Spec: open /etc/cdi/x.yaml: permission denied\n"
    assert ["cdi.unreadable"] == [cause.code for cause in diagnose(first + "stat /x: no such file or directory\n")]


def test_a_gap_may_be_wrapped_and_is_no_list_of_lines():
    """A path goes on in the next line only where it had no room in its own."""
    start, end = (
        'error running hook #0: fork/exec "/usr/libexec/nvidia/',
        'bin/nvidia-cdi-hook": no such file or directory',
    )
    assert ["cdi.hook-missing"] == [cause.code for cause in diagnose(f"{start}\n{end}\n")]
    clash = r'occurred \u003e:\n\t* conflicting device "nvidia.com/gpu=al', 'l" (specs "/var/run/cdi/y.yaml", '
    assert ["cdi.conflict"] == [
        cause.code for cause in diagnose("\n".join((clash[0], clash[1].ljust(len(clash[0]), "x"))))
    ]
    assert () == diagnose(f"fork/exec /usr/bin/foo\n{end}\n")
    assert () == diagnose(f"{start[23:]}\n{end}\n")


def test_words_around_a_text():
    """A text that is of anything counts where a word near it says that it is of a GPU, not where that is far away."""
    mismatch, much = "driver/library version mismatch\n", "all is well\n" * 100
    assert () == diagnose(mismatch)
    assert ["driver.version-mismatch"] == [cause.code for cause in diagnose(f"nvml: {mismatch}")]
    assert () == diagnose(f"nvml is loaded\n{much}{mismatch}")
    only_there = f"{mismatch * 20}{much}nvml: {mismatch}"
    assert [121] == [cause.line for cause in diagnose(only_there)]


@pytest.mark.parametrize("between", [0, 1, GAP, GAP + 1, 3 * GAP])
def test_a_gap_has_its_length(between):
    """Two pieces are one pattern up to so many characters, and two texts beyond that; a later start may reach it."""
    text = b"first" + b"-" * between + b"last"
    expected = ((0, 5), (5 + between, len(text))) if between <= GAP else None
    assert expected == find(text, (b"first", b"last"))
    later = b"first" + b"-" * 50 + text
    assert (expected and ((55, 60), (60 + between, len(later)))) == (find(later, (b"first", b"last"), 1))
    assert (find(later, (b"first", b"last")) is None) == (between > GAP)
