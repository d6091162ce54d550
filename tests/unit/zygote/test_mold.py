"""A record that is filled in from a mold is, byte for byte, the record that a run of its own would have written."""

import hashlib
import json
import pathlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pyopenshell import runs
from pyopenshell.audit import context, shorthand
from pyopenshell.chronicle import Chronicle
from pyopenshell.errors import LaunchError
from pyopenshell.zygote import mold
from tests.unit.zygote import plans

DEFAULT = None
MISSING = """
version: 1
filesystem_policy:
  read_only: [/no/such/folder, /no/such/file, /etc]
  read_write: [/opt/made/up]
  include_workdir: true
"""
ITSELF = f"""
version: 1
# {plans.NAME} {plans.RUN_ID} {plans.TIME}
filesystem_policy:
  read_only: [/srv/{plans.NAME}, /srv/{plans.RUN_ID}/{plans.TIME}, "/srv/[x]"]
"""
EVERYTHING = "version: 1\nfilesystem_policy: {read_only: [/], read_write: [/proc], include_workdir: true}\n"
UNUSUAL = 'version: 1\nfilesystem_policy: {read_only: ["/srv/\\U0001F600 \\u00e9", /srv/back\\slash]}\n'
POLICIES = {"default": DEFAULT, "missing": MISSING, "itself": ITSELF, "everything": EVERYTHING, "unusual": UNUSUAL}
RECEIPTS = {
    "accepted": plans.receipt,
    "unreadable": plans.unreadable,
    "missing": plans.missing,
    "failed": plans.failed,
    "created": plans.created,
}
FILES = ("effective.json", "events.jsonl", "events.log")


def written(planned, receipt, here):
    """What a run of its own writes before its program may start, and the digest that it has."""
    effective = plans.renamed(planned.effective)
    planned = planned.replace(effective=effective)
    record = runs.create(plans.NAME, planned.policy.source.text, planned.meta(), run_id=plans.RUN_ID)
    try:
        chronicle = Chronicle(planned, record)
        chronicle.context = here
        chronicle.enforced({**receipt, "effective_digest": effective.digest})
        chronicle.close()
        return [pathlib.Path(record.path, name).read_bytes() for name in FILES], effective.digest
    finally:
        record.close()
        runs.delete(plans.NAME)


@pytest.fixture
def here():
    """The surroundings of events, but for name, id and time, which are somebody else's."""
    return context.here("another", "another-run").replace(time=1)


def compare(planned, receipt, here):
    """Hold what a mold gives against what is written without one."""
    own = here.replace(sandbox=plans.NAME, run_id=plans.RUN_ID, time=plans.TIME)
    files, digest = written(planned, receipt, own)
    identified = mold.Identified(planned)
    assert digest == identified.digest(plans.NAME)
    filled = mold.Mold(planned, identified, receipt, here).fill(plans.NAME, plans.RUN_ID, digest, plans.TIME)
    for name, expected, actual in zip(FILES, files, filled, strict=True):
        assert expected.decode().splitlines() == actual.decode().splitlines(), name
        assert expected == actual


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("told", RECEIPTS)
def test_a_mold_gives_what_would_have_been_written(workdir, here, policy, told):
    """Whatever the policy holds, also the sandbox's own name, id and time; whatever the kernel said of it."""
    planned = plans.planned(workdir, POLICIES[policy])
    compare(planned, RECEIPTS[told](planned), here)


@pytest.mark.parametrize(
    "request_",
    [{"gpu": 0}, {"max_abi": 1}, {"max_abi": 4}, {"unsafe_unconfined": True}, {"env": ("A=b",)}, {"name": "chosen"}],
    ids=str,
)
def test_whatever_was_asked_for(workdir, here, request_):
    """A sandbox with a broker, for an older kernel, with variables, with a name that it was planned for."""
    planned = plans.planned(workdir, MISSING, **request_)
    compare(planned, plans.receipt(planned), here)


def test_paths_that_are_no_text(workdir, here):
    """Bytes that are not UTF-8 are written as those."""
    folder = str(workdir).encode() + b"/\xff"
    pathlib.Path(str(workdir) + "/\udcff").mkdir()
    planned = plans.planned(pathlib.Path(folder.decode(errors="surrogateescape")), None)
    compare(planned, plans.receipt(planned), here)


def test_the_sample_has_what_could_go_wrong(workdir):
    """Findings, blocked and skipped grants, events of every kind: else nothing above would show anything."""
    planned = plans.planned(workdir, MISSING)
    files, _ = written(planned, plans.unreadable(planned), context.here(plans.NAME, plans.RUN_ID))
    effective, events = json.loads(files[0]), [json.loads(line) for line in files[1].splitlines()]
    assert {"enforced", "blocked", "skipped"} <= {grant["status"] for grant in effective["grants"]}
    assert effective["findings"]
    assert {"grant.enrichment", "sandbox.enforced", "sandbox.start"} <= {
        event["metadata"]["event_code"] for event in events
    }
    assert plans.NAME in files[2].decode()


def test_a_hidden_grant_is_no_mold(workdir, here):
    """A rule that nobody asked for: the launch is refused, as it would be without a mold."""
    planned = plans.planned(workdir)
    told = plans.receipt(planned)
    told["rules"][0]["actual"].append("make_block")
    with pytest.raises(LaunchError, match="make_block"):
        mold.Mold(planned, mold.Identified(planned), told, here)


def test_alike_are_receipts_that_differ_in_numbers_only(workdir):
    """Inodes, devices, namespaces, the broker's process; all else makes another mold."""
    planned = plans.planned(workdir)
    told, core = plans.receipt(planned), mold.core
    same = plans.receipt(planned, namespaces={"pid": 5}, effective_digest="x")
    same["rules"][0].update(dev=8, ino=9)
    assert core(told) == core(json.loads(json.dumps(same)))
    others = [make(planned) for name, make in RECEIPTS.items() if name != "accepted"]
    others += [
        plans.receipt(planned, unbound={told["rules"][0]["grant"]: 2}),
        plans.receipt(planned, broker={"grants": ["x"], "own": False}),
        plans.receipt(planned, credentials={**told["credentials"], "uid": 77}),
        plans.receipt(planned, seccomp={"sha256": "0", "mode": "filter"}),
        plans.receipt(planned, supervisor_checks=[{**told["supervisor_checks"][0], "ok": False}]),
        plans.receipt(planned, supervisor_checks=[*told["supervisor_checks"], *told["supervisor_checks"]]),
        plans.receipt(planned, landlock={"log": [], "quiet": [{"path": "/a", "dev": 1, "ino": 1, "errno": 0}]}),
    ]
    cores = [core(told), *map(core, others)]
    assert len(cores) == len(set(cores))


NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,40}[a-z0-9]", fullmatch=True)


def test_a_digest_is_that_of_the_plan(workdir):
    """For any name, also one that the plan says elsewhere."""
    planned = plans.planned(workdir, ITSELF)
    identified = mold.Identified(planned)

    @given(NAMES)
    @example(plans.NAME)
    def check(name):
        effective = plans.renamed(planned.effective, name)
        assert effective.digest == identified.digest(name)
        assert effective.digest == hashlib.sha256(effective.plan_bytes()).hexdigest()

    check()


@given(st.lists(st.sampled_from([b"NAME", b"DIGEST", b"DIG", b"x", b"", b"NAMENAME"])), st.binary(max_size=9))
def test_a_blank_is_filled_wherever_there_is_a_mark(pieces, value):
    """What comes in is not looked at again; of marks that begin alike the one named first counts."""
    data = b"-".join(pieces)
    blank = mold.Blank(data, {"digest": b"DIGEST", "short": b"DIG", "name": b"NAME"})
    values = {"digest": b"<DIG>", "short": b"<NAME>", "name": value}
    one = {b"NAME": value, b"DIGEST": b"<DIG>", b"DIG": b"<NAME>", b"NAMENAME": value + value}
    assert b"-".join(one.get(piece, piece) for piece in pieces) == blank.fill(values)
    assert data.startswith(blank.head)


def test_marks_are_nowhere_else(workdir):
    """No name is a mark, and no event is of that time; the time of a mark is one that JSON and people can say."""
    planned = plans.planned(workdir, ITSELF)
    text = json.dumps(planned.effective.as_dict())
    assert not [mark for mark in (mold.NAME, mold.RUN, str(mold.TIME)) if mark in text]
    assert mold.TIME < 2**53
    assert shorthand.moment(mold.TIME).endswith("Z")
