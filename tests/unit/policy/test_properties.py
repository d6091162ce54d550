"""What holds for any input: an answer in our own words, at a place that exists, and valid policies unchanged."""

from __future__ import annotations

import json
import string

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pyopenshell.errors import OpenShellError, PolicyError
from pyopenshell.policy import load
from pyopenshell.policy.filesystem import normal
from pyopenshell.policy.model import COMPATIBILITY, CUDA_THREAD_NAMES

# The same inputs in every run: a failure is about the change that caused it.
SAME = settings(derandomize=True, deadline=None, database=None, max_examples=150)

# Pieces of which policies are made, right and wrong, so that random text gets beyond the first line.
PIECES = st.sampled_from(
    [
        *(
            "version: 1\n",
            "filesystem_policy:\n",
            "  read_only: ",
            "  read_write:\n",
            "    - /usr\n",
            "[/a, /b]",
            "{}",
            "[]",
        ),
        *(
            "landlock: ",
            "{compatibility: best_effort}\n",
            "process: {run_as_user: ",
            "runtime:\n",
            "network_policies:\n",
        ),
        *(
            "  a: {endpoints: [",
            "{host: a.b, port: 1",
            ", protocol: rest",
            ", rules: [{allow: {method: GET",
            "]",
            "}",
            "\n",
        ),
        *(
            "&a ",
            "*a",
            "!!str ",
            "? ",
            ": ",
            "- ",
            "---\n",
            "%YAML 1.2\n",
            "'",
            '"',
            "\\x00",
            "|\n",
            ">-\n",
            "#",
            "\t",
            "\r",
        ),
        *("~", "true", "0", "-1", "1e9", "..", "/", "\u202e", "\x00", "\ufeff", "é", "𝕏", "  ", "    "),
    ]
)


def answer(data: bytes) -> OpenShellError | None:
    """What the parser says to ``data``; an exception of any other kind passes, and fails the test."""
    try:
        load.parse(data, "p.yaml")
    except OpenShellError as error:
        return error
    return None


def ask(data: bytes) -> None:
    """Parse; the answer is a policy or mistakes, each at a place that exists in the file, in file order."""
    error = answer(data)
    if error is None:
        return
    assert isinstance(error, PolicyError)
    lines = data.decode("utf-8-sig", "replace").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    places = []
    for problem in error.problems:
        assert problem.message
        assert problem.line is not None
        assert problem.column is not None
        assert 1 <= problem.line <= len(lines), problem
        assert 1 <= problem.column <= len(lines[problem.line - 1]) + 1, problem
        places.append((problem.line, problem.column))
    assert sorted(places) == places
    assert error.lines()
    json.dumps(error.as_dict())


@SAME
@given(st.binary(max_size=300))
def test_any_bytes(data):
    """Bytes of any kind."""
    ask(data)


@SAME
@given(st.text(max_size=200))
def test_any_text(text):
    """Text of any kind, lone surrogates aside, which UTF-8 cannot say."""
    ask(text.encode("utf-8", "replace"))


@SAME
@given(st.lists(PIECES, max_size=40))
def test_any_pieces(pieces):
    """Pieces of policies in any order."""
    ask("".join(pieces).encode())


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(max_size=20), st.sampled_from(["rest", "/a", "root"])
)
KEYS = st.sampled_from(
    [
        *("version", "filesystem_policy", "read_only", "read_write", "include_workdir", "landlock", "compatibility"),
        *("process", "run_as_user", "network_policies", "endpoints", "binaries", "host", "port", "ports", "protocol"),
        *("rules", "allow", "deny_rules", "method", "path", "query", "any", "mcp", "tool", "params", "name", "runtime"),
    ]
)
TREES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(KEYS, inner, max_size=6)),
    max_leaves=30,
)


@SAME
@given(TREES, TREES)
def test_any_tree(filesystem, network):
    """Documents of the right keys with values of any type: each mistake is told, none crashes a later check."""
    document = {"version": 1, "filesystem_policy": filesystem, "network_policies": {"a": network}}
    ask(json.dumps(document).encode())


NAMES = st.text(string.ascii_letters + string.digits + "._- é{}[]#:,&*!'\"%@`", min_size=1, max_size=12).filter(
    lambda name: name not in (".", "..")
)
# Below folders of their own, so that no path lies inside another.
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)


@st.composite
def policies(draw):
    """A valid policy as plain data."""
    read_only = [f"/ro{index}/{path}" for index, path in enumerate(draw(st.lists(PATHS, max_size=4)))]
    read_write = [f"/rw{index}/{path}" for index, path in enumerate(draw(st.lists(PATHS, max_size=4)))]
    return {
        "version": 1,
        "filesystem_policy": {
            "include_workdir": draw(st.booleans()),
            "read_only": read_only,
            "read_write": read_write,
        },
        "landlock": {"compatibility": draw(st.sampled_from(COMPATIBILITY))},
        "process": {"run_as_user": draw(st.one_of(st.integers(1, 2**32 - 2), st.just("builder")))},
        "runtime": {"cuda_thread_names": draw(st.sampled_from(CUDA_THREAD_NAMES))},
    }


@SAME
@given(policies(), st.booleans(), st.booleans())
def test_valid_policies_are_read_back(policy, as_json, block):
    """Written as JSON or YAML, in block or flow style, a policy comes back as it was, in the model and as declared."""
    text = (
        json.dumps(policy, ensure_ascii=False)
        if as_json
        else yaml.safe_dump(policy, allow_unicode=True, sort_keys=False, default_flow_style=not block, width=1000)
    )
    read = load.parse(text.encode())
    assert policy == read.declared
    section = policy["filesystem_policy"]
    assert section["include_workdir"] == read.filesystem.include_workdir
    assert [normal(path) for path in section["read_only"]] == [path.path for path in read.filesystem.read_only]
    assert [normal(path) for path in section["read_write"]] == [path.path for path in read.filesystem.read_write]
    assert str(policy["process"]["run_as_user"]) == read.process.run_as_user
    assert policy["landlock"]["compatibility"] == read.compatibility
    assert policy["runtime"]["cuda_thread_names"] == read.cuda_thread_names


@SAME
@given(st.lists(st.sampled_from(["a", "b", ".", "", "..."]), max_size=6))
def test_normal_paths_are_normal(parts):
    """Normalising twice changes nothing, and leaves no empty or single-dot component and no slash at the end."""
    path = normal("/" + "/".join(parts))
    assert path == normal(path)
    assert path == "/" or not {"", "."} & set(path[1:].split("/"))
