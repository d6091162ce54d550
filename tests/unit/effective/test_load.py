"""A stored effective policy is read back as it was written, or not at all."""

import copy
import json

import pytest

from pyopenshell.effective.canonical import canonical_bytes
from pyopenshell.effective.load import from_dict
from pyopenshell.effective.model import Dropped, LandlockReport, SeccompReport
from pyopenshell.effective.settle import Outcome, settle
from pyopenshell.errors import StateError
from tests.unit.effective.cases import GPUS, composed

PLANNED = composed(
    read_only=["/data", "/none", "/odd\udcff"],
    read_write=["/data/new"],
    include_workdir=True,
    network=["pypi"],
    gpu=-1,
    devices=GPUS,
    landlock=LandlockReport("best_effort", 2, ("read_file",), (Dropped("truncate", 3, "x"),)),
)
FILTERED = PLANNED.replace(
    seccomp=SeccompReport(
        "2" * 64, 4, ({"syscall": "bpf", "when": "always", "action": "errno:EPERM", "reason": "So."},)
    )
)
SETTLED = settle(PLANNED, {grant.id: Outcome(grant.access) for grant in PLANNED.grants if grant.status == "planned"})


@pytest.mark.parametrize("effective", [PLANNED, SETTLED, FILTERED], ids=["planned", "settled", "with syscall rows"])
def test_round_trip(effective):
    """Through JSON on disk and back, everything the shape holds is the same."""
    data = json.loads(canonical_bytes(effective.as_dict()))
    again = from_dict(data)
    assert effective.as_dict() == again.as_dict()
    assert effective.replace(identity=again.identity) == again


def test_records_from_before_syscall_rows_are_read():
    """Their shape had none, and their digest is about that shape."""
    data = json.loads(canonical_bytes(PLANNED.as_dict()))
    assert {"sha256", "count"} == set(data["seccomp"])
    assert from_dict(data).seccomp.rows is None


def test_a_changed_syscall_row_is_not_trusted():
    """The digest covers what the filter is said to refuse."""
    data = copy.deepcopy(FILTERED.as_dict())
    data["seccomp"]["rows"][0]["action"] = "allow"
    with pytest.raises(StateError):
        from_dict(data)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data.pop("grants"),
        lambda data: data.update(schema="pyopenshell.effective/2"),
        lambda data: data.update(grants=None),
        lambda data: data["grants"][0].update(surprise=1),
        lambda data: data["grants"][0].update(access=["write_file"]),
        lambda data: data["identity"].update(uid=0),
        lambda data: data.update(digest="0" * 64),
        lambda data: data["findings"].clear(),
    ],
    ids=["key gone", "schema", "type", "unknown field", "wider access", "identity", "digest", "findings gone"],
)
def test_what_was_changed_is_not_trusted(damage):
    """A clear error, whatever was done to it."""
    data = copy.deepcopy(SETTLED.as_dict())
    damage(data)
    with pytest.raises(StateError) as caught:
        from_dict(data)
    assert "state.effective" == caught.value.code
