"""Count what a test run skipped and hold it against the list of skips that are allowed there.

Usage: ``python3 .ci/skips.py REPORT.xml ALLOWED``. REPORT is pytest's JUnit report. A line of ALLOWED is a number, the
most tests that may be skipped for it, and a regular expression for the whole reason; ``#`` begins a comment. Exit
status 1 if a reason is not listed, if one was given too often, or if nothing passed.
"""

import re
import sys
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path


def allowances(path: Path) -> list[tuple[int, str]]:
    """Read the list of allowed skips."""
    lines = [line.partition("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines()]
    return [(int(count), pattern) for count, pattern in (line.split(maxsplit=1) for line in lines if line)]


def complaints(reasons: Counter[str], allowed: list[tuple[int, str]]) -> list[str]:
    """Return a sentence for every skip that is not allowed."""
    used: Counter[str] = Counter()
    result = []
    for reason, count in sorted(reasons.items()):
        pattern = next((pattern for _, pattern in allowed if re.fullmatch(pattern, reason)), None)
        if pattern is None:
            result.append(f"not an allowed reason to skip: {reason}")
        else:
            used[pattern] += count
    return result + [f"skipped {used[p]} times, {most} allowed: {p}" for most, p in allowed if used[p] > most]


def main(report: str, allowed: str) -> int:
    """Print the summary and the complaints; return the exit status."""
    cases = list(ET.parse(report).iter("testcase"))
    skipped = [skip for case in cases for skip in case.iter("skipped") if skip.get("type") != "pytest.xfail"]
    reasons = Counter((skip.get("message") or "").removeprefix("Skipped: ") for skip in skipped)
    bad = sum(1 for case in cases if case.find("failure") is not None or case.find("error") is not None)
    passed = len(cases) - len(skipped) - bad
    for reason, count in sorted(reasons.items()):
        print(f"  skipped {count:>3}: {reason}")
    wrong = complaints(reasons, allowances(Path(allowed)))
    for sentence in wrong:
        print(f"  {allowed}: {sentence}", file=sys.stderr)
    print(f"{passed} passed, {bad} failed, {len(skipped)} skipped")
    return 1 if wrong or bad or passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
