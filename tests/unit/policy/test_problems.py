"""Suggestions: which word was probably meant."""

from __future__ import annotations

import pytest

from pyopenshell.policy.problems import join, nearest, show

KNOWN = ("version", "filesystem_policy", "landlock", "process", "network_policies", "runtime", "host", "port", "ports")

MEANT = [
    ("vresion", "version"),
    ("versoin", "version"),
    ("Version", "version"),
    ("landlocks", "landlock"),
    ("lndlck", "landlock"),
    ("filesystem", "filesystem_policy"),
    ("filesystem-policy", "filesystem_policy"),
    ("network_policy", "network_policies"),
    ("prot", "port"),
    ("hots", "host"),
    ("run", None),
    ("seccomp", None),
    ("xyz", None),
    ("", None),
    ("x" * 100_000, None),
]


@pytest.mark.parametrize(("word", "expected"), MEANT, ids=[row[0][:20] or "empty" for row in MEANT])
def test_nearest(word, expected):
    """Near misses are found; what is far from everything gets no guess."""
    assert expected == nearest(word, KNOWN)


def test_show_and_join_cut_and_escape():
    """What is repeated in messages is short and printable."""
    assert "'a\\u200bb'" == show("a\u200bb")
    assert 62 == len(show("x" * 1000))
    assert "a.b" == join("a", "b")
    assert "a.'\\u200b'" == join("a", "\u200b")
