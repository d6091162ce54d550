"""What a contributor's process said, judged: a contribution, or an error whose code says who is to mend what."""

import errno
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyopenshell.baseline import contributor
from pyopenshell.baseline.answer import LONGEST, MOST_BYTES, SCHEMA, Case, Ended, document
from pyopenshell.baseline.contributor import ACCESS, MOST_GRANTS
from pyopenshell.errors import ContributorError
from pyopenshell.policy.access import READ_ONLY, READ_WRITE
from pyopenshell.policy.model import MAX_PATH_LENGTH, NamedContributor
from tests.unit.effective.cases import STEADY

CASE = Case(NamedContributor("cache", 7, 18), "policy.yaml", 1000, "/opt/bin/python", 10.0)
OFFER = {"distribution": "cache-dist", "version": "1.2", "entry_point": "cache:contribute"}
GRANT = {"path": "/opt/models", "access": "read_only", "reason": "The models."}


def line(**words):
    """A line of an answer."""
    return json.dumps({"schema": SCHEMA, **words}).encode() + b"\n"


FOUND = line(found=[OFFER], names=[], unreadable=[])


def judged(**words):
    """What is made of these words as the answer of an installed contributor."""
    return contributor.judge(CASE, Ended(FOUND + line(**words)))


def refused(code, ended):
    """The error that is made of a process; it names the line of the policy."""
    with pytest.raises(ContributorError) as caught:
        contributor.judge(CASE, ended)
    error = caught.value
    assert (f"contributor.{code}", "policy.yaml", 7, 18) == (error.code, error.file, error.line, error.column)
    assert error.message.startswith("contributor cache ")
    assert error.hint
    return error


def test_a_contribution():
    """It names what is installed, where the policy asks for it, and each grant with its origin and reason."""
    told = judged(grants=[GRANT, {"path": "/var//cache/./it/", "access": "read_write", "reason": " Its\ncache. "}])
    assert ("cache-dist", "1.2", "cache:contribute") == (told.distribution, told.version, told.entry_point)
    models, cache = told.proposals
    assert ("contributor", "cache", "policy.yaml", 7) == (models.kind, models.name, models.file, models.line)
    assert ("/opt/models", READ_ONLY, "The models.") == (models.path, models.access, models.reason)
    assert ("/var/cache/it", "Its cache.") == (cache.path, cache.reason)


def test_no_access_is_more_than_the_operators_own():
    """Never a device's rights; and no connecting to sockets of programs outside, which read_write would give."""
    assert set(READ_WRITE) - {"resolve_unix"} == set(ACCESS["read_write"])
    assert not {"ioctl_dev", "make_char", "make_block"} & {right for access in ACCESS.values() for right in access}


def test_nothing_is_an_answer_too():
    """A contributor may need nothing; the same path asked for twice is one grant."""
    assert () == judged(grants=[]).proposals
    assert 1 == len(judged(grants=[GRANT, {**GRANT, "path": "/opt//models"}]).proposals)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("opt/models", "absolute"),
        ("", "absolute"),
        ("~/models", "absolute"),
        ("/opt/../etc", "'..'"),
        ("/" + "x" * MAX_PATH_LENGTH, "characters"),
        ("/", "everything"),
        ("/./", "everything"),
        ("/opt/\0", "NUL"),
        ("/opt/\n", "control character"),
        ("/opt/\u202e", "U+202E"),
        ("/opt/\udc80", "U+DC80"),
    ],
)
@pytest.mark.parametrize("access", ["read_only", "read_write"])
def test_paths_are_held_to_the_rules_of_a_policy(path, said, access):
    """One such path, and nothing is started."""
    error = refused("path", Ended(FOUND + line(grants=[GRANT, {**GRANT, "path": path, "access": access}])))
    assert said in error.message


@pytest.mark.parametrize(
    "words",
    [
        {},
        {"grants": None},
        {"grants": {}},
        {"grants": "/opt"},
        {"grants": ["/opt"]},
        {"grants": [{}]},
        {"grants": [{**GRANT, "mechanism": "landlock"}]},
        {"grants": [{"path": "/opt", "access": "read_only"}]},
        {"grants": [{**GRANT, "access": "read_file"}]},
        {"grants": [{**GRANT, "access": ["read_only"]}]},
        {"grants": [{**GRANT, "access": None}]},
        {"grants": [{**GRANT, "path": 1}]},
        {"grants": [{**GRANT, "reason": None}]},
        {"grants": [{**GRANT, "reason": " "}]},
        {"grants": [{**GRANT, "reason": "x" * (LONGEST + 1)}]},
        {"grants": [GRANT] * (MOST_GRANTS + 1)},
        {"nonsense": "it returned a dict"},
        {"nonsense": 7},
        {"refusal": None},
        {"crash": "yes"},
        {"schema": "pyopenshell.contributor/2", "grants": []},
    ],
)
def test_nonsense(words):
    """Whatever is not the documented shape."""
    refused("nonsense", Ended(FOUND + line(**words)))


@pytest.mark.parametrize(
    "text",
    [b"{", b"[]", b"7", b"null", b"{} {}", b"nan", b'{"grants": NaN}', b"\xff", b"[" * 100_000, b"9" * 5000],
)
def test_what_is_no_json_object_is_nonsense(text):
    """However broken or deep."""
    refused("nonsense", Ended(FOUND + text))
    refused("nonsense", Ended(text + b" " + FOUND))


def test_too_long_an_answer_is_nonsense():
    """Also where all of it would be an answer."""
    refused("nonsense", Ended((FOUND + line(grants=[])).ljust(MOST_BYTES + 1)))


@pytest.mark.parametrize(
    "what",
    [
        {},
        {"found": [OFFER]},
        {"found": 1, "names": [], "unreadable": []},
        {"found": [{}], "names": [], "unreadable": []},
        {"found": ["it"], "names": [], "unreadable": []},
        {"found": [], "names": None, "unreadable": []},
    ],
)
def test_a_first_line_of_another_shape_is_nonsense(what):
    """The process may be anything by then: a file of the environment runs before ours."""
    refused("nonsense", Ended(line(**what) + line(grants=[])))


def test_missing():
    """Who is near, else who there is, else how to install one."""
    for names, said in (
        (["cache2", "other"], "did you mean cache2"),
        (["x", "y"], "installed are x, y;"),
        ([f"x{number}" for number in range(12)], "x9 and 2 others;"),
        ([], "/opt/bin/python -m pip install"),
    ):
        error = refused("missing", Ended(line(found=[], names=names, unreadable=[])))
        assert said in (error.hint or "")


def test_missing_to_this_identity_only():
    """What cannot be read is not seen: that is said instead of sending the operator to install it again."""
    error = refused("missing", Ended(line(found=[], names=["cache2"], unreadable=["/opt/site/cache-1.dist-info"])))
    assert "uid 1000, which cannot read /opt/site/cache-1.dist-info" in error.message
    assert "readable" in (error.hint or "")


def test_ambiguous():
    """All who offer the name are told; none of them is asked."""
    other = {**OFFER, "distribution": "another", "version": "0"}
    error = refused("ambiguous", Ended(line(found=[OFFER, other], names=[], unreadable=[]) + line(grants=[GRANT])))
    assert "cache-dist 1.2 (cache:contribute) and another 0 (cache:contribute)" in error.message


def test_a_refusal_is_the_contributors_own_word():
    """On one line, whatever it wrote, and not for pages."""
    error = refused("refused", Ended(FOUND + line(refusal="not\n\x1b[31mhere" + "!" * 10_000)))
    assert "(cache-dist 1.2) refuses: not  [31mhere!" in error.message
    assert len(error.message) < LONGEST + 100
    assert "does not say why" in refused("refused", Ended(FOUND + line(refusal=""))).message


def test_crashes():
    """Importing it or calling it: what was raised, and where."""
    crash = {"doing": "imported", "what": "ImportError: no", "where": "/x.py:3"}
    told = refused("crashed", Ended(FOUND + line(crash=crash))).message
    assert "(cache-dist 1.2) could not be imported: ImportError: no (/x.py:3)" in told
    told = refused("crashed", Ended(FOUND + line(crash={"doing": "called", "what": "KeyError", "where": ""}))).message
    assert told.endswith("crashed: KeyError")
    refused("crashed", Ended(FOUND + line(crash={"what": [], "where": {"a": 1}})))


@pytest.mark.parametrize(
    ("ended", "said"),
    [
        (Ended(FOUND, code=-11), "(cache-dist 1.2) ended without an answer: killed by SIGSEGV"),
        (Ended(FOUND, code=3), "exit code 3"),
        (Ended(FOUND), "exit code 0"),
        (Ended(FOUND + line(grants=[]), code=1), "exit code 1"),
        (Ended(code=-9), "contributor cache ended without an answer: killed by SIGKILL"),
    ],
)
def test_an_end_without_an_answer(ended, said):
    """A crash; an answer does not count where the process did not end well."""
    assert said in refused("crashed", ended).message


def test_the_last_words_are_told():
    """What it printed last says more than an exit code; of a mess, what can be shown."""
    error = refused("crashed", Ended(FOUND, told=b"first\n\xff\x1b[0m last\n\n", code=1))
    assert "its last words: \ufffd [0m last;" in (error.hint or "")


def test_late():
    """Whatever it has said by then."""
    for words in (b"", FOUND, FOUND + line(grants=[GRANT])):
        assert "within 10 seconds" in refused("timeout", Ended(words, code=-9, late=True)).message


def test_not_started():
    """An identity that cannot go where openshell is installed; and whatever else the kernel refuses."""
    error = refused("identity", Ended(failed=("interpreter", errno.EACCES), code=1))
    assert "uid 1000, cannot execute /opt/bin/python: Permission denied" in error.message
    assert "run_as_user" in (error.hint or "")
    assert "own package" in refused("identity", Ended(failed=("package", errno.EACCES), code=1)).message
    assert "seccomp: " in refused("not-started", Ended(failed=("seccomp", errno.EINVAL), code=1)).message


def test_looking_needs_no_answer():
    """What is installed is told without asking it."""
    assert "cache-dist" == contributor.look(CASE, Ended(FOUND)).distribution
    for ended, code in (
        (Ended(code=1), "crashed"),
        (Ended(FOUND, late=True), "timeout"),
        (Ended(failed=("package", errno.EACCES)), "identity"),
        (Ended(line(found=[], names=[], unreadable=[])), "missing"),
    ):
        with pytest.raises(ContributorError) as caught:
            contributor.look(CASE, ended)
        assert f"contributor.{code}" == caught.value.code


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@STEADY
@given(st.dictionaries(st.text(), VALUES))
def test_json_is_read_as_the_standard_library_reads_it(value):
    """Without its parser, which would import half of the library."""
    text = json.dumps({**value, "schema": SCHEMA})
    assert json.loads(text) == document(CASE, text.encode())


@STEADY
@given(st.text() | VALUES.map(json.dumps))
def test_any_answer_is_a_contribution_or_an_error_of_ours(text):
    """Nothing that a contributor says is an internal error."""
    data = text.encode("utf-8", "surrogatepass")
    for words in (data, FOUND + data, FOUND + f'{{"schema": "{SCHEMA}", "grants": '.encode() + data + b"}"):
        try:
            contributor.judge(CASE, Ended(words))
        except ContributorError:
            pass
