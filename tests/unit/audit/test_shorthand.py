"""The shorthand: one line, in the form its readers know, whatever the text in it."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyopenshell.audit import shorthand, translate
from pyopenshell.effective.model import Origin
from tests.conformance import make_golden as sample

TEXT = st.text(st.characters(exclude_categories=()))
"""Any text, lone surrogates included: that is how Python has bytes that are not UTF-8 (PEP 383)."""
FORM = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z OCSF "
    r"(FILE|PROC|FINDING|CONFIG|LIFECYCLE):[A-Z]+ \[(INFO|LOW|MED|HIGH|CRIT)\]"
    r" (?:[^\\\[\]]|\\.)*( \[(?:[^\\\[\]]|\\.)*\])*"
)
ESCAPES = re.compile(r"\\(?:([\\\[\]])|([nrt])|x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8}))")


def unescape(text):
    """Undo ``escape``, for tests. Bytes that are not UTF-8 cannot be told from C1 controls, and are not given."""

    def one(found):
        itself, named, *numbers = found.groups()
        return itself or {"n": "\n", "r": "\r", "t": "\t"}.get(named) or chr(int(next(filter(None, numbers)), 16))

    return ESCAPES.sub(one, text)


@pytest.mark.parametrize("event", sample.events(), ids=lambda event: event["metadata"]["event_code"])
def test_form(event):
    """Every event has the form that the documentation gives."""
    assert FORM.fullmatch(shorthand.line(event))


@given(path=TEXT, reason=TEXT, name=TEXT)
def test_always_one_line(path, reason, name):
    """No path, reason or argument ends the line, steers the terminal, or makes a bracketed field of its own."""
    grant = sample.effective().grants[1].replace(path=path, resolved=path, reason=reason)
    process = sample.PROCESS.replace(path=path, argv=(name, reason))
    for event, fields in (
        (translate.enrichments(sample.effective().replace(grants=(grant,)), sample.CONTEXT)[0], 3),
        (translate.launched(process, sample.CONTEXT, failure=reason or "x"), 3),
        (
            translate.finding(sample.effective().findings[0].replace(message=reason, hint=path or "x"), sample.CONTEXT),
            3,
        ),
    ):
        line = shorthand.line(event)
        assert line.isprintable()
        assert FORM.fullmatch(line)
        assert fields == len(re.findall(r"(?<!\\)\[", line.replace(r"\\", "")))


@given(st.text())
def test_escaping_loses_nothing(text):
    """Two different texts never look the same."""
    assert text == unescape(shorthand.escape(text))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/usr/lib/x86_64 é 日本", "/usr/lib/x86_64 é 日本"),
        ("a\nb\r\tc", r"a\nb\r\tc"),
        ("\x1b[31mred\x9b", r"\x1b\[31mred\x9b"),
        ("\u202egnp.exe\u2028", r"\u202egnp.exe\u2028"),
        ("\U000e0041", r"\U000e0041"),
        ("x] [policy:ok", r"x\] \[policy:ok"),
        ("C:\\n", r"C:\\n"),
        ("\udcff\udc80", r"\xff\x80"),
    ],
)
def test_escapes(text, shown):
    """What is printable is shown as it is; the rest in the escapes everyone knows."""
    assert shown == shorthand.escape(text)


def line_of(event):
    """Return the line of an event without its time."""
    return shorthand.line(event).partition(" ")[2]


def test_a_grant_in_full():
    """Rights, both paths, origin, mechanism, what the kernel accepted of it, reason and detail."""
    grant = sample.effective().grants[4].replace(resolved="/dev/zero", reason="Because")
    (event,) = translate.enrichments(sample.effective().replace(grants=(grant,)), sample.CONTEXT)
    assert line_of(event) == (
        "OCSF CONFIG:ENRICHED [INFO] ENFORCED read_file,write_file,ioctl_dev /dev/null -> /dev/zero "
        "[origin:baseline/process mechanism:landlock actual:read_file,write_file] [reason:Because]"
    )


def test_the_order_of_rights_does_not_matter():
    """What the kernel accepted is shown only where it is less than what was asked for."""
    grant = sample.grant(
        Origin("workdir"), "/w", ("read_file", "write_file"), "Because", actual=("write_file", "read_file")
    )
    (event,) = translate.enrichments(sample.effective().replace(grants=(grant,)), sample.CONTEXT)
    assert "actual:" not in shorthand.line(event)


def test_failed_checks_are_named():
    """An enforcement that failed says which checks."""
    event = translate.enforcement(sample.effective(), sample.broken_receipt(), sample.CONTEXT)
    assert line_of(event).endswith("[checks:0/2] [failed:uid,canary]")
