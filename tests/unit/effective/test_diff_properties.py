"""What holds for every two effective policies: comparing them never fails, and means the same the other way round."""

from hypothesis import given, settings
from hypothesis import strategies as st

from pyopenshell.effective.diff import KINDS, compare
from pyopenshell.effective.model import (
    Detail,
    Dropped,
    Effective,
    Finding,
    Grant,
    Identity,
    Isolation,
    LandlockReport,
    Network,
    NetworkEntry,
    Origin,
    SeccompReport,
    grant_id,
)
from pyopenshell.policy.access import READ_WRITE
from tests.unit.effective.cases import STEADY
from tests.unit.effective.diff_cases import told
from tests.unit.effective.test_properties import REQUESTS, attempt

SHORT = settings(STEADY, max_examples=50)
WORDS = st.text(max_size=3)
PATHS = st.sampled_from(("/", "/a", "/a/b", "/tmp", "/proc", "odd\udcff"))
SOME_RIGHTS = st.lists(st.sampled_from((*READ_WRITE, "odd")), unique=True, max_size=4).map(tuple)
ORIGINS = st.builds(
    Origin,
    st.sampled_from(("declared", "workdir", "baseline", "runtime", "odd")),
    st.sampled_from((None, "read_only", "gpu", "cuda-thread-names")),
)
GRANTS = st.builds(
    lambda origin, path, **fields: Grant(id=grant_id(origin, path), origin=origin, path=path, reason="", **fields),
    origin=ORIGINS,
    path=PATHS,
    resolved=st.none() | PATHS,
    access=SOME_RIGHTS,
    actual=SOME_RIGHTS,
    mechanism=st.sampled_from(("landlock", "broker", "odd")),
    status=st.sampled_from(("planned", "enforced", "skipped", "covered", "blocked", "odd")),
    detail=st.builds(Detail, st.none() | st.integers(-3, 300), st.none() | WORDS, st.none() | WORDS),
)
ROWS = st.dictionaries(st.sampled_from(("syscall", "when", "action")), st.sampled_from(("always", "errno:X", "allow")))
POLICIES = st.builds(
    Effective,
    name=WORDS,
    run_id=WORDS,
    declared=st.dictionaries(WORDS, WORDS | st.dictionaries(WORDS, st.integers())),
    file=st.none() | WORDS,
    source_sha256=WORDS,
    identity=st.builds(
        Identity, st.integers(), st.integers(), st.lists(st.integers(), max_size=2).map(tuple),
        st.sampled_from(("dynamic", "caller")),
    ),
    grants=st.lists(GRANTS, max_size=5, unique_by=lambda one: one.id).map(tuple),
    network=st.builds(
        Network, st.sampled_from(("none", "proxy", "host", "odd")), WORDS,
        st.lists(st.builds(NetworkEntry, WORDS, WORDS, WORDS, WORDS), max_size=2).map(tuple),
    ),
    isolation=st.dictionaries(
        st.sampled_from(("net", "mount", "pid")),
        st.builds(Isolation, st.sampled_from(("open", "private", "odd")), WORDS),
    ),
    landlock=st.builds(
        LandlockReport, WORDS, st.integers(-1, 20), SOME_RIGHTS,
        st.lists(st.builds(Dropped, WORDS, st.integers(), WORDS, st.none() | WORDS), max_size=2).map(tuple),
    ),
    seccomp=st.builds(
        SeccompReport, st.sampled_from(("", "1", "2")), st.integers(),
        st.none() | st.lists(ROWS, max_size=3).map(tuple),
    ),
    findings=st.lists(
        st.builds(Finding, st.sampled_from(("a", "outcome.skipped", "isolation.pid-open")), WORDS, WORDS), max_size=3
    ).map(tuple),
)  # fmt: skip


@SHORT
@given(POLICIES, POLICIES)
def test_whatever_the_policies(a, b):
    """Nothing crashes, a policy is the same as itself, and the other way round it is the same, mirrored."""
    assert () == compare(a, a)
    told(a, b)
    assert {one.kind for one in compare(a, b)} <= set(KINDS)


@SHORT
@given(REQUESTS, REQUESTS)
def test_whatever_is_composed(one, other):
    """The same of policies that really come out of requests; different grants never go unsaid."""
    a, b = attempt(one), attempt(other)
    found = told(a, b)
    assert () == compare(a, a)
    if {(grant.id, grant.access) for grant in a.grants} != {(grant.id, grant.access) for grant in b.grants}:
        assert found
