"""Processes that are killed at random instants: nothing acknowledged is lost, nothing is left, nothing runs unseen."""

import pytest

pytest.importorskip("openshell", reason="needs: the extra gateway")

from pyopenshell.testing import require
from tests.confined.gateway.faults import World
from tests.confined.torture import scale


@pytest.fixture
def house(built, tmp_path_factory):
    """A folder that sandboxes can enter, with a gateway that can be killed."""
    with built.rooms(tmp_path_factory.mktemp("faults")) as made:
        yield made


@pytest.mark.parametrize(
    "victims",
    [("gateway", "all"), ("template", "cradle", "nobody"), ("supervisor", "stem", "inside")],
    ids=lambda who: who[0],
)
def test_killed_at_any_instant(house, victims):
    """Whoever is killed in the midst of whatever call: the next answers are true, and all names can be used again."""
    require(namespaces=True)
    world = World(house, str(victims))
    assert [] == world.rounds(scale.many(7, 700), victims)
    assert [] == world.end()
