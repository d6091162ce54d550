"""A gateway's processes killed at thousands of random instants; a few of them are in the ordinary tests too.

``tests.confined.gateway.faults`` has the rounds, and what must be true after each.
"""

import pytest

pytest.importorskip("openshell", reason="needs: the extra gateway")

from pyopenshell.testing import require
from tests.confined.gateway.faults import World
from tests.confined.gateway.house import House
from tests.confined.torture import scale

EVERYBODY = ("gateway", "all", "template", "cradle", "supervisor", "stem", "inside", "nobody")


def test_everybody_is_killed(tmp_path_factory):
    """Whoever is killed, in the midst of whatever call, round after round in one and the same state folder."""
    require(namespaces=True)
    with House(tmp_path_factory.mktemp("torture")) as house:
        world = World(house, "everybody")
        assert [] == world.rounds(scale.many(7, 700), EVERYBODY)
        assert [] == world.end()
