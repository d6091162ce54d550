"""What came out of a boot, as its lines told it; kept as JSON, and what is wrong with it in words."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from tests.kernels.catalogue import LEAST_DISTINCT_ABIS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.kernels.catalogue import Kernel, Run

SCHEMA = "pyopenshell.kernels/1"
KNOWN = (
    "Landlock( ABI \\d+)?",
    "root",
    "a broker",
    "namespaces",
    "an unmasked kernel",
    "audit=1 .*",
    "CAP_AUDIT_CONTROL",
)
SKIPS = re.compile(f"needs: ({'|'.join(KNOWN)})")
"""Why a test may be skipped: each for what a kernel of the catalogue, or who runs there, cannot have."""


@dataclass
class Outcome:
    """One run on one kernel.

    ``failed`` maps a test to its report, ``skipped`` a reason to how many; ``made`` are the namespaces that a
    sandbox has there, None if that was not told; ``place`` is what else it is, where that was asked for.
    ``status`` is pytest's exit status, None if the run never came to its end.
    """

    run: str
    user: bool
    yama: int
    userns: bool
    profile: str
    masked: int | None
    passed: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, int] = field(default_factory=dict)
    seconds: float = 0
    status: int | None = None
    made: list[str] | None = None
    yama_seen: int | None = None
    place: dict[str, Any] = field(default_factory=dict)

    @property
    def problem(self) -> str | None:
        """What is wrong with the run as such; failed tests speak for themselves."""
        if self.status is None:
            return "did not come to its end"
        if self.status != int(bool(self.failed)):
            return f"pytest ended with {self.status} and told of {len(self.failed)} failures"
        unknown = [reason for reason in self.skipped if not SKIPS.fullmatch(reason)]
        if unknown:
            return f"skipped: {unknown[0]}"
        return None if self.passed or self.failed else "no test was run"

    @property
    def is_good(self) -> bool:
        """Whether everything that was to be seen here was seen."""
        return not self.failed and self.problem is None


@dataclass
class Booted:
    """One kernel: the package it is from, what it says it is, its runs, and how it ended."""

    name: str
    why: str
    package: str
    expected_abi: int
    required: bool
    command_line: str
    namespaces: list[str]
    outcomes: list[Outcome]
    facts: dict[str, Any] = field(default_factory=dict)
    ended: str = ""
    garbled: int = 0

    @classmethod
    def of(cls, kernel: Kernel, package: str) -> Booted:
        """Return a kernel that nothing is known of yet."""
        outcomes = [_planned(run) for run in kernel.runs]
        facts = (kernel.abi, kernel.required, kernel.command_line, list(kernel.namespaces))
        return cls(kernel.name, kernel.why, package, *facts, outcomes)

    def hear(self, line: str) -> dict[str, Any] | None:
        """Take in one line of what the kernel told, and return it; None for one that is none of ours."""
        try:
            told: dict[str, Any] = json.loads(line)
        except ValueError:
            self.garbled += line.startswith("{")
            return None
        kind = told.pop("kind")
        by_run = {outcome.run: outcome for outcome in self.outcomes}
        if kind == "kernel":
            self.facts = told
        elif kind == "place":
            by_run[told["run"]].place = told["place"]
        elif kind == "namespaces":
            by_run[told["run"]].made, by_run[told["run"]].yama_seen = told["made"], told["yama"]
        elif kind == "test":
            _count(by_run[told["run"]], told)
        elif kind == "run":
            outcome = by_run[told["run"]]
            outcome.status, outcome.seconds = told["status"], told["seconds"]
        return {"kind": kind, **told}

    @property
    def problems(self) -> list[str]:
        """What is wrong, other than failed tests."""
        if not self.facts:
            return [f"{self.name}: {self.ended or 'not booted'}"]
        found = [f"{self.name}, {outcome.run}: {outcome.problem}" for outcome in self.outcomes if outcome.problem]
        if self.facts["abi"] != self.expected_abi:
            found.append(f"{self.name}: expected Landlock ABI {self.expected_abi}, the kernel says {self.facts['abi']}")
        found += [
            f"{self.name}, {outcome.run}: {what}" for outcome in self.outcomes for what in self._surroundings(outcome)
        ]
        if self.garbled:
            found.append(f"{self.name}: {self.garbled} lines could not be read")
        if self.ended != "off":
            found.append(f"{self.name}: {self.ended}")
        return found

    def _surroundings(self, outcome: Outcome) -> Iterator[str]:
        """Yield what of a run's surroundings is not what it is about."""
        if outcome.status is None:
            return
        if outcome.yama_seen != outcome.yama:
            yield f"expected Yama's scope {outcome.yama}, not {outcome.yama_seen}"
        expected = [] if outcome.profile or not outcome.userns else ["user", *self.namespaces]
        if not outcome.user:
            expected = self.namespaces
        if outcome.made != expected:
            yield f"expected the namespaces {expected}, not {outcome.made}"

    @property
    def is_good(self) -> bool:
        """Whether nothing failed here."""
        return not self.problems and all(outcome.is_good for outcome in self.outcomes)


def _planned(run: Run) -> Outcome:
    return Outcome(run.name, run.user, run.yama, run.userns, run.profile, run.masked)


def _count(outcome: Outcome, told: dict[str, Any]) -> None:
    if told["outcome"] == "passed":
        outcome.passed += 1
    elif told["outcome"] == "skipped":
        outcome.skipped[told["text"]] = outcome.skipped.get(told["text"], 0) + 1
    else:
        outcome.failed[told["id"]] = told["text"]


def problems(booted: Iterable[Booted], missing: Iterable[str], *, whole: bool) -> list[str]:
    """Return all that makes the runs fail as a whole. ``whole``: no kernel was left out by the caller's choice."""
    booted = list(booted)
    found = [problem for kernel in booted for problem in kernel.problems]
    found += [f"{name}: required, and not to be had from Debian's archive" for name in missing]
    abis = {kernel.facts["abi"] for kernel in booted if kernel.facts.get("abi")}
    if whole and len(abis) < LEAST_DISTINCT_ABIS:
        found.append(f"only {len(abis)} distinct Landlock ABIs were seen; at least {LEAST_DISTINCT_ABIS} are needed")
    return found


def as_json(booted: Iterable[Booted]) -> str:
    """Return everything as JSON, without what differs from run to run of the same thing (times, the tests' reports)."""
    kernels = []
    for kernel in booted:
        shape = asdict(kernel)
        for outcome in shape["outcomes"]:
            outcome["failed"] = sorted(outcome["failed"])
            del outcome["seconds"]
        kernels.append(shape)
    return json.dumps({"schema": SCHEMA, "kernels": kernels}, indent=1, sort_keys=True) + "\n"


def from_json(text: str) -> list[Booted]:
    """Return what ``as_json`` wrote."""
    kernels = json.loads(text)["kernels"]
    for shape in kernels:
        for outcome in shape["outcomes"]:
            outcome["failed"] = dict.fromkeys(outcome["failed"], "")
    return [Booted(**{**shape, "outcomes": [Outcome(**outcome) for outcome in shape["outcomes"]]}) for shape in kernels]
