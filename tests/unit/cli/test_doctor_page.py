"""docs/doctor.md and the code say the same about each code of ``openshell doctor``."""

import re
import shlex
from pathlib import Path

from pyopenshell.cli import app
from pyopenshell.cli.doctor.codes import CODES, GROUPS, SEVERITIES, STATUS
from pyopenshell.cli.parser import build

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "doctor.md").read_text(encoding="utf-8")
SOURCE = Path(__file__).parents[3] / "src" / "pyopenshell" / "cli" / "doctor"


def rows(text, columns):
    """Return the cells of a table's rows."""
    lines = [line.strip("| ") for line in text.splitlines() if line.startswith("| `")]
    cells = [re.split(r"(?<!\\) ?\| ?", line) for line in lines]
    return [tuple(row[:columns]) for row in cells]


def test_every_code_is_on_the_page():
    """Codes, groups, severities and meanings are those of the table, in its order."""
    sections = PAGE[PAGE.index("## Codes") :].split("\n### ")[1:]
    headings = [section.partition("\n")[0].lower() for section in sections]
    assert [*GROUPS.values()] == headings
    for group, section in zip(GROUPS, sections, strict=True):
        expected = [
            (f"`{code.code}`", ", ".join(code.severities), code.meaning) for code in CODES if code.group == group
        ]
        assert expected == rows(section, 3)


def test_severities_are_explained():
    """The table of severities has each with its status."""
    section = PAGE[PAGE.index("## Severities") : PAGE.index("## As whom")]
    assert [(f"`{name}`", f"`{STATUS[name]}`") for name in reversed(SEVERITIES)] == rows(section, 2)


def test_every_code_is_used():
    """No code of the table is without a check that says it, and none is said that the table does not have."""
    text = "".join(path.read_text(encoding="utf-8") for path in SOURCE.glob("*.py") if path.name != "codes.py")
    used = set(re.findall(r'"((?:[a-z]+)\.[a-z]+(?:-[a-z]+)*)"', text))
    known = {code.code for code in CODES}
    assert set() == known - used
    prefixes = {code.partition(".")[0] for code in known}
    foreign = {"cdi.folder-missing", "cdi.folder-empty", "gpu.too-few"}  # the linter's, the launch's
    assert set() == {word for word in used if word.partition(".")[0] in prefixes} - known - foreign


def test_examples_parse():
    """Every example is a command line that the parser takes."""
    lines = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]
    assert lines
    for line in lines:
        _, *argv = shlex.split(line)
        if argv[0] != "run":
            assert not build().parse_known_args(list(app._explicit_gpus(argv)))[1]
