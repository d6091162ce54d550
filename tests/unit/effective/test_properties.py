"""What holds for every composition: nothing declared is lost or widened, nothing is hidden, everything ends."""

from hypothesis import assume, given
from hypothesis import strategies as st

from pyopenshell.baseline.model import Proposal
from pyopenshell.effective.compose import compose
from pyopenshell.effective.declared import WRITING
from pyopenshell.effective.model import Isolation
from pyopenshell.effective.paths import inside
from pyopenshell.effective.settle import Outcome, settle
from pyopenshell.errors import PolicyRefused
from pyopenshell.policy.access import DEVICE, READ_ONLY, READ_WRITE
from tests.unit.effective.cases import STEADY, World, policy, request

NAMES = ("a", "b", "proc")
PATHS = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map(lambda parts: "/" + "/".join(parts))
RIGHTS = st.sampled_from((READ_ONLY, READ_WRITE, DEVICE, ("read_file",), (*READ_ONLY, "resolve_unix")))
PROPOSALS = st.builds(
    Proposal, st.sampled_from(("process", "gpu")), PATHS, RIGHTS, st.just("Needed."), private=st.booleans()
)
WORLDS = st.builds(
    lambda folders, files, devices, links: _linked(World([*folders, "/work"], files, devices), links),
    st.lists(PATHS),
    st.lists(PATHS, max_size=2),
    st.lists(PATHS, max_size=2),
    st.dictionaries(PATHS, PATHS, max_size=2),
)
REQUESTS = st.builds(
    lambda world, proposals, gpu, workdir, **fields: request(
        policy(**fields),
        gpu=gpu,
        proposals=tuple(proposals),
        resolve=world.resolve,
        workdir=workdir,
        protected=(),
        home=None,
    ),
    world=WORLDS,
    proposals=st.lists(PROPOSALS, max_size=6),
    gpu=st.sampled_from((None, 0)),
    workdir=st.sampled_from(("/work", "/a")),
    read_only=st.lists(PATHS, max_size=4),
    read_write=st.lists(PATHS, max_size=2),
    include_workdir=st.booleans(),
)


def _linked(world, links):
    for path, target in links.items():
        world.link(path, target)
    return world


def attempt(asked):
    """Compose; refusals are other tests' matter."""
    try:
        return compose(asked)
    except PolicyRefused:
        assume(False)


def place(asked, path):
    where = asked.resolve(path)
    return where.place or path


def given_at(asked, effective, path, *, kinds=None):
    """Return the rights that planned grants (of these origins) give on the place a path leads to."""
    target = place(asked, path)
    return {
        right
        for grant in effective.grants
        if grant.status == "planned"
        and (kinds is None or grant.origin.kind in kinds)
        and inside(target, grant.resolved or place(asked, grant.path))
        for right in grant.access
    }


@STEADY
@given(REQUESTS)
def test_no_declared_grant_is_lost(asked):
    """Each declared path, in order, has its own grant with its own rights and line; present ones are planned."""
    effective = attempt(asked)
    files = asked.policy.filesystem
    expected = [("read_only", one, READ_ONLY) for one in files.read_only]
    expected += [("read_write", one, READ_WRITE) for one in files.read_write]
    declared = [grant for grant in effective.grants if grant.origin.kind == "declared"]
    assert [(word, one.path, one.line) for word, one, _ in expected] == [
        (grant.origin.name, grant.path, grant.origin.line) for grant in declared
    ]
    for (_, one, access), grant in zip(expected, declared, strict=True):
        where = asked.resolve(one.path)
        ioctl = ("ioctl_dev",) if where.is_device and access is READ_WRITE else ()
        assert (*access, *ioctl) == grant.access
        assert grant.status == "planned" or where.errno != 0
        assert where.real == grant.resolved
        if grant.status == "planned":
            assert set(grant.access) <= given_at(asked, effective, one.path)


@STEADY
@given(REQUESTS)
def test_no_declared_read_only_path_is_widened(asked):
    """No grant but the runtime's own gives more than read-only on it, be it there or not."""
    effective = attempt(asked)
    kinds = ("declared", "workdir", "baseline")
    for one in asked.policy.filesystem.read_only:
        assert given_at(asked, effective, one.path, kinds=kinds) <= set(READ_ONLY)


@STEADY
@given(REQUESTS)
def test_nothing_is_hidden(asked):
    """Ids are unique; whatever the operator did not declare has an origin and a reason; rights are what was asked."""
    effective = attempt(asked)
    assert len(effective.grants) == len({grant.id for grant in effective.grants})
    proposed = [(one.path, one.access) for one in asked.proposals]
    assert proposed == [(grant.path, grant.access) for grant in effective.grants if grant.origin.kind == "baseline"]
    assert all(str(grant.origin) and grant.reason for grant in effective.grants)
    additions = [grant.access for grant in effective.grants if grant.origin.kind == "runtime"]
    assert [grant.access for grant in effective.runtime_additions] == additions
    assert additions in ([], [("write_file",)])
    assert not (asked.cuda is False and additions)


@STEADY
@given(REQUESTS)
def test_what_is_covered_is_given(asked):
    """A covered grant names a planned grant that gives all its rights at its place."""
    effective = attempt(asked)
    grants = {grant.id: grant for grant in effective.grants}
    for grant in effective.grants:
        if grant.status == "covered":
            giver = grants[grant.detail.covered_by]
            assert ("planned", True) == (giver.status, set(grant.access) <= set(giver.access))
            assert inside(grant.resolved, giver.resolved or place(asked, giver.path))
        assert grant.status != "covered" or grant.origin.kind == "baseline"


@STEADY
@given(REQUESTS)
def test_the_digest_is_the_plans(asked):
    """Equal requests have equal digests; run id, state and outcome do not count, everything asked for does."""
    effective = attempt(asked)
    assert effective.digest == attempt(asked.replace(run_id="another")).digest
    assert effective.digest == settle(effective, {}, "exited").digest
    assert effective.digest != attempt(asked.replace(name="another")).digest
    more = attempt(asked.replace(proposals=(*asked.proposals, Proposal("gpu", "/a/more", DEVICE, "Needed."))))
    assert effective.digest != more.digest
    assert effective.digest != effective.replace(isolation={"pid": Isolation("open", "none")}).digest


@STEADY
@given(REQUESTS, st.data())
def test_every_planned_grant_ends(asked, data):
    """Whatever the kernel says of each rule, none stays planned, and enforced means the kernel accepted something."""
    effective = attempt(asked)
    planned = [grant for grant in effective.grants if grant.status == "planned"]
    answers = {}
    for grant in planned:
        actual = data.draw(st.lists(st.sampled_from(grant.access), unique=True))
        missing = data.draw(st.lists(st.sampled_from(actual), unique=True)) if actual else []
        outcome = Outcome(tuple(actual), 0 if actual else 13, tuple(missing), 13 if missing else 0)
        if data.draw(st.booleans()):
            answers[grant.id] = outcome
    settled = settle(effective, answers)
    assert not [grant.id for grant in settled.grants if grant.status == "planned"]
    for before, after in zip(effective.grants, settled.grants, strict=True):
        assert (before.id, before.path, before.access, before.reason) == (
            after.id,
            after.path,
            after.access,
            after.reason,
        )
        if after.status in ("enforced", "blocked"):
            assert after.actual
            assert answers[after.id].actual == after.actual
        if after.status == "covered":
            assert set(after.actual) <= set(answers[after.detail.covered_by].actual)
        if after.status == "skipped":
            assert () == after.actual


@STEADY
@given(REQUESTS)
def test_a_writable_grant_is_never_the_root(asked):
    """Whatever leads there."""
    for grant in attempt(asked).grants:
        assert grant.resolved != "/" or WRITING.isdisjoint(grant.access)
