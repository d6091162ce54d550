"""Measure all places that can be had here, print what they are, and write docs/evidence/places.json."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tests.places.engines import ENGINES
from tests.places.places import SCHEMA, measured, simulated

EVIDENCE = Path(__file__).resolve().parents[2] / "docs" / "evidence" / "places.json"


def main() -> int:
    """Write the evidence. Returns 1, and writes nothing, where no engine worked."""
    places = [place for engine in ENGINES for place in measured(engine)]
    if not any(place["result"] for place in places):
        print("no engine works here: nothing is written", file=sys.stderr)
        return 1
    places = sorted([*places, *simulated()], key=lambda place: str(place["name"]))
    for place in places:
        print(_line(place))
    lines = ",\n".join(json.dumps(place, sort_keys=True) for place in places)
    EVIDENCE.write_text(f'{{"schema": "{SCHEMA}", "places": [\n{lines}\n]}}\n')
    return 0


def _line(place: dict[str, Any]) -> str:
    result = place["result"]
    if result is None:
        return f"{place['name']:24}{place['missing']}"
    if result["error"]:
        return f"{place['name']:24}refused: {result['error']['code']}: {result['error']['message']}"
    sandbox = result["sandbox"]
    open_kinds = [kind for kind, told in sandbox["isolation"].items() if told["state"] == "open"]
    high = [found["code"] for found in sandbox["findings"] + sandbox["gpu_findings"] if found["severity"] == "High"]
    broker = sandbox["broker"]["mechanism"]
    return (
        f"{place['name']:24}open: {' '.join(open_kinds) or '-'}; thread names: {broker}; High: {' '.join(high) or '-'}"
    )


if __name__ == "__main__":
    sys.exit(main())
