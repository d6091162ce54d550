"""What differs between two effective policies, and which of them is the looser one."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyopenshell.effective.canonical import canonical
from pyopenshell.effective.diff import KINDS, compare
from pyopenshell.effective.difference import LOOSER, OTHER, TIGHTER, Difference
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
from pyopenshell.effective.settle import Outcome, settle
from pyopenshell.landlock.downgrade import handled
from pyopenshell.policy.access import READ_ONLY, READ_WRITE, THREAD_NAMES
from tests.unit.effective.cases import GPUS, ISOLATED, STEADY, composed
from tests.unit.effective.test_properties import REQUESTS, attempt

MIRRORED = {LOOSER: TIGHTER, TIGHTER: LOOSER, OTHER: OTHER}
OPEN = Isolation("open", "none")
HIDDEN = Isolation("private", "mount namespace")
RULE = {"syscall": "ptrace", "when": "always", "action": "errno:EPERM", "reason": "So."}
SOMETIMES = {**RULE, "when": "the flags have X"}


def settled(**fields):
    """Compose, and let the kernel accept everything it handles."""
    plan = composed(**fields)
    rights = set(plan.landlock.handled)
    outcomes = {
        grant.id: Outcome(tuple(right for right in grant.access if right in rights))
        for grant in plan.grants
        if grant.status == "planned"
    }
    return settle(plan, outcomes)


BASE = settled(read_only=["/data/set"], read_write=["/home/me/project"])


def report(abi, *, tcp=False, **covered):
    """Return what Landlock handles at an ABI, and by what else its gaps are covered."""
    rights = handled(abi, tcp=tcp, udp=tcp)
    dropped = tuple(Dropped(gap.name, gap.abi, gap.consequence, covered.get(gap.name)) for gap in rights.dropped)
    return LandlockReport("best_effort", abi, (*rights.fs, *rights.net, *rights.scoped), dropped)


def declared(path, word="read_only", *, rights=None, status="enforced", resolved=None, **detail):
    """Return a declared grant as it came out."""
    access = READ_ONLY if word == "read_only" else READ_WRITE
    origin = Origin("declared", word, "p.yaml", 7)
    actual = () if status == "skipped" else access if rights is None else rights
    return Grant(
        grant_id(origin, path), path, resolved or path, access, origin, "declared", actual, "landlock", status,
        Detail(**detail),
    )  # fmt: skip


def with_grants(*grants, **fields):
    """Return a policy of just these grants."""
    return BASE.replace(grants=grants, **fields)


def abi(number, **covered):
    return BASE.replace(landlock=report(number, **covered))


def isolated(**kinds):
    return BASE.replace(isolation={**ISOLATED, **kinds})


def filtered(*rows, sha="1"):
    return BASE.replace(seccomp=SeccompReport(sha * 64, 9, rows))


def mirror(one):
    """Return what the difference is, seen from the other side."""
    return Difference(one.kind, one.subject, MIRRORED[one.direction], one.b, one.a, one.note)


def told(a, b):
    """Return the differences in short, after checking that the other way round they are the same, mirrored."""
    there, back = compare(a, b), compare(b, a)
    assert sorted(canonical(one.as_dict()) for one in there) == sorted(canonical(mirror(one).as_dict()) for one in back)
    return [(one.direction, one.kind, one.subject) for one in there]


TABLE = {
    "nothing": (BASE, BASE, []),
    "name, ids, file, line, time and wording": (
        BASE,
        BASE.replace(
            name="other",
            run_id="02K",
            file="/elsewhere.yaml",
            source_sha256="f" * 64,
            state="exited",
            grants=tuple(
                one.replace(origin=one.origin.replace(file="q.yaml", line=99), reason="Another wording.")
                for one in BASE.grants
            ),
        ),
        [],
    ),
    "a right of a newer kernel": (abi(4), abi(5), [(TIGHTER, "right", "ioctl_dev")]),
    "a newer ABI without new rights": (abi(7), abi(8), []),
    "a right that something else covers": (
        abi(7),
        abi(2, truncate="filter", abstract_unix_socket="namespace", signal="namespace"),
        [
            (LOOSER, "right", "ioctl_dev"),
            (OTHER, "right", "abstract_unix_socket"),
            (OTHER, "right", "signal"),
            (OTHER, "right", "truncate"),
        ],
    ),
    "covered on one side only": (abi(2, signal="namespace"), abi(2), [(LOOSER, "right", "signal")]),
    "without refer nothing is moved": (abi(2), abi(1), [(TIGHTER, "right", "refer")]),
    "no Landlock": (abi(7), abi(0), [(LOOSER, "landlock", "Landlock")]),
    "a right only wanted without a namespace": (
        BASE.replace(landlock=report(11)),
        BASE.replace(landlock=report(11, tcp=True), isolation={**ISOLATED, "net": Isolation("filtered", "filter")}),
        [
            (OTHER, "right", "bind_tcp"),
            (OTHER, "right", "bind_udp"),
            (OTHER, "right", "connect_send_udp"),
            (OTHER, "right", "connect_tcp"),
            (OTHER, "isolation", "net"),
        ],
    ),
    "nothing keeps it off the network": (
        BASE.replace(landlock=report(5, tcp=True)),
        BASE.replace(landlock=report(5), isolation={**ISOLATED, "net": OPEN}),
        [
            (LOOSER, "right", "bind_tcp"),
            (LOOSER, "right", "connect_tcp"),
            (LOOSER, "isolation", "net"),
        ],
    ),
    "a record that does not know a right": (
        BASE.replace(landlock=LandlockReport("best_effort", 7, (*report(7).handled,))),
        BASE.replace(landlock=report(7)),
        [(OTHER, "right", "resolve_unix")],
    ),
    "open": (isolated(), isolated(pid=OPEN), [(LOOSER, "isolation", "pid")]),
    "another mechanism": (isolated(), isolated(pid=Isolation("scoped", "x")), [(OTHER, "isolation", "pid")]),
    "a kind that is not told": (isolated(), isolated(ipc=HIDDEN), [(OTHER, "isolation", "ipc")]),
    "the host's network": (BASE, BASE.replace(network=Network("host", "none")), [(LOOSER, "network", "mode")]),
    "another mechanism of no network": (BASE, BASE.replace(network=Network("none", "x")), [(OTHER, "network", "mode")]),
    "an endpoint that stays denied": (
        BASE,
        BASE.replace(network=BASE.network.replace(entries=(NetworkEntry("api", "x:443", "skipped", ""),))),
        [(OTHER, "network", "api x:443")],
    ),
    "an endpoint let through": (
        BASE,
        BASE.replace(network=BASE.network.replace(entries=(NetworkEntry("api", "x:443", "enforced", ""),))),
        [(LOOSER, "network", "api x:443")],
    ),
    "one path more": (with_grants(), with_grants(declared("/a")), [(LOOSER, "grant", "/a")]),
    "one path more that is not there": (
        with_grants(),
        with_grants(declared("/a", status="skipped", errno=2)),
        [(OTHER, "grant", "/a")],
    ),
    "one that another gives already": (
        with_grants(declared("/")),
        with_grants(declared("/"), declared("/a")),
        [(OTHER, "grant", "/a")],
    ),
    "less within what is given": (
        with_grants(declared("/"), declared("/a", "read_write")),
        with_grants(declared("/")),
        [(TIGHTER, "grant", "/a")],
    ),
    "read-only to read-write": (
        with_grants(declared("/a")),
        with_grants(declared("/a", "read_write")),
        [(LOOSER, "grant", "/a")],
    ),
    "some rights for others": (
        with_grants(declared("/a", "read_write", rights=("read_file",))),
        with_grants(declared("/a", "read_write", rights=("write_file",))),
        [(OTHER, "grant", "/a")],
    ),
    "not there any more": (
        with_grants(declared("/a")),
        with_grants(declared("/a", status="skipped", errno=2)),
        [(TIGHTER, "grant", "/a")],
    ),
    "denied by file modes": (
        with_grants(declared("/a")),
        with_grants(declared("/a", status="blocked", errno=13)),
        [(TIGHTER, "grant", "/a")],
    ),
    "a link that leads elsewhere": (
        with_grants(declared("/a", resolved="/b")),
        with_grants(declared("/a", resolved="/c")),
        [(OTHER, "grant", "/a")],
    ),
    "made this time": (with_grants(declared("/a", message="created")), with_grants(declared("/a")), []),
    "a right that one side does not handle": (
        with_grants(declared("/a", "read_write"), landlock=report(9)),
        with_grants(declared("/a", "read_write", rights=READ_WRITE[:-1]), landlock=report(8, resolve_unix="x")),
        [(OTHER, "right", "resolve_unix")],
    ),
    "a private folder is not the host's": (
        with_grants(declared("/tmp/work"), isolation={**ISOLATED, "mount": HIDDEN}),
        with_grants(
            declared("/tmp").replace(origin=Origin("baseline", "process")), isolation={**ISOLATED, "mount": HIDDEN}
        ),
        [(LOOSER, "grant", "/tmp"), (TIGHTER, "grant", "/tmp/work")],
    ),
    "a run's own folder": (
        with_grants(declared("/tmp/openshell-01hq/tmp".replace("01hq", "0" * 25 + "a")), run_id="0" * 25 + "A"),
        with_grants(declared("/tmp/openshell-01hq/tmp".replace("01hq", "0" * 25 + "b")), run_id="0" * 25 + "B"),
        [],
    ),
    "a call less refused": (filtered(RULE), filtered(sha="2"), [(LOOSER, "syscalls", "filter")]),
    "a call under a condition only": (filtered(RULE), filtered(SOMETIMES, sha="2"), [(LOOSER, "syscalls", "filter")]),
    "conditions that cannot be compared": (
        filtered(SOMETIMES),
        filtered({**SOMETIMES, "when": "the flags have Y"}, sha="2"),
        [(OTHER, "syscalls", "filter")],
    ),
    "another error": (filtered(RULE), filtered({**RULE, "action": "errno:ENOSYS"}, sha="2"),
                      [(OTHER, "syscalls", "filter")]),
    "one call looser, one tighter": (
        filtered(RULE),
        filtered({**RULE, "syscall": "bpf"}, sha="2"),
        [(LOOSER, "syscalls", "filter"), (TIGHTER, "syscalls", "filter")],
    ),
    "another program of the same rows": (filtered(RULE), filtered(RULE, sha="2"), [(OTHER, "syscalls", "filter")]),
    "an older record without rows": (
        filtered(RULE),
        BASE.replace(seccomp=SeccompReport("2" * 64, 9)),
        [(OTHER, "syscalls", "filter")],
    ),
    "another user": (BASE, BASE.replace(identity=Identity(7, 7, (), "policy")), [(OTHER, "identity", "user")]),
    "one group more": (
        BASE,
        BASE.replace(identity=BASE.identity.replace(groups=(1000, 44))),
        [(LOOSER, "identity", "user")],
    ),
    "dynamic ids": (
        BASE.replace(identity=Identity(61184, 61184, (), "dynamic")),
        BASE.replace(identity=Identity(61185, 61185, (), "dynamic")),
        [],
    ),
    "findings": (
        BASE,
        BASE.replace(findings=(*BASE.findings, Finding("a.b", "Low", "x"), Finding("c.d", "High", "x"))),
        [(OTHER, "finding", "c.d"), (OTHER, "finding", "a.b")],
    ),
    "a finding in other words": (
        BASE.replace(findings=(Finding("a.b", "Low", "line 7"),)),
        BASE.replace(findings=(Finding("a.b", "Low", "line 8"),)),
        [],
    ),
    "a policy that says the same otherwise": (
        BASE,
        BASE.replace(declared={**BASE.declared, "process": {}}),
        [],
    ),
    "a policy that says something else": (
        BASE,
        BASE.replace(declared={**BASE.declared, "runtime": {"cuda_thread_names": "off"}}),
        [(OTHER, "declared", "policy")],
    ),
    "compatibility": (
        BASE,
        BASE.replace(landlock=BASE.landlock.replace(compatibility="hard_requirement")),
        [(OTHER, "compatibility", "landlock")],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("a", "b", "expected"), TABLE.values(), ids=TABLE)
def test_direction(a, b, expected):
    """Each difference once, the looser first, and mirrored the other way round."""
    assert expected == told(a, b)


@pytest.mark.parametrize(
    ("choices", "direction"),
    [
        (("off", "broker"), LOOSER),
        (("broker", "write_file"), LOOSER),
        (("off", "write_file"), LOOSER),
        (("write_file", "broker"), TIGHTER),
    ],
)
def test_thread_names(choices, direction):
    """What opens CUDA's thread names is one difference, neither grants nor findings repeat it."""
    a, b = (composed(gpu=0, devices=GPUS, cuda_thread_names=choice) for choice in choices)
    found = [one for one in compare(a, b) if one.kind in ("thread-names", "grant")]
    assert [(direction, "thread-names")] == [(one.direction, one.kind) for one in found]
    told(a, b)


def test_thread_names_by_a_rule_are_the_same_grant():
    """The fields the test above relies on: the addition is a broker's pattern, or a rule on /proc."""
    shape = compare(*(composed(gpu=0, cuda_thread_names=word) for word in ("broker", "write_file")))[0]
    assert ({"by": "broker"}, {"by": "landlock"}) == ({"by": shape.a["by"]}, {"by": shape.b["by"]})
    assert ("write_file",) == THREAD_NAMES


def test_a_plan_and_its_outcome():
    """What came out as planned is one row; what did not is told."""
    plan = composed(read_only=["/data/set"], read_write=["/home/me/project"])
    assert [(OTHER, "plan", "state")] == told(plan, BASE)
    worse = BASE.replace(grants=(BASE.grants[0].replace(status="skipped", actual=()), *BASE.grants[1:]))
    assert [(TIGHTER, "grant", "/data/set"), (OTHER, "plan", "state")] == told(plan, worse)


def test_only_what_differs_is_given():
    """Values of a change hold the keys that differ; of something new, all."""
    (one,) = compare(with_grants(declared("/a")), with_grants(declared("/a", "read_write")))
    assert {"origin", "access", "gives"} == set(one.a) == set(one.b)
    (one,) = compare(with_grants(), with_grants(declared("/a")))
    assert (None, "added") == (one.a, one.change)
    assert {"origin", "resolved", "access", "gives", "status", "mechanism", "detail"} == set(one.b)


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
