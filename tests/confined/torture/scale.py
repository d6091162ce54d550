"""How much is tried, and the random instants at which."""

import os
import random

FULL = os.environ.get("OPENSHELL_TORTURE") == "full"
SEED = int(os.environ.get("OPENSHELL_TORTURE_SEED", "6"))


def many(small: int, full: int) -> int:
    """Return how often something is tried."""
    return full if FULL else small


def instants(count: int, longest: float, name: str) -> list[float]:
    """Return as many instants, in seconds, spread over all of a time; ``name`` makes them this test's own."""
    drawn = random.Random(f"{SEED} {name}")
    spread = [(number + drawn.random()) * longest / count for number in range(count)]
    drawn.shuffle(spread)
    return spread
