"""The page on contributors: its policy is valid, its function works, and it lists every error and finding there is."""

import re
import tomllib
from pathlib import Path
from typing import Any

from pyopenshell.baseline.answer import LONGEST, MOST_BYTES, SCHEMA
from pyopenshell.baseline.contributor import MOST_GRANTS
from pyopenshell.contributor import Identity, Request
from pyopenshell.launch.contributing import SECONDS
from pyopenshell.policy import load

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docs" / "contributors.md").read_text(encoding="utf-8")
SOURCE = ROOT / "src" / "pyopenshell"


def block(language):
    """The first block of a language."""
    found = re.search(rf"^```{language}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    assert found
    return found.group(1)


def rows(heading):
    """The codes in the first column of the table under a heading."""
    section = TEXT.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return set(re.findall(r"`(contributor\.[a-z-]+)`", "\n".join(re.findall(r"^\|([^|]+)\|", section, re.MULTILINE))))


def test_the_policy():
    """It names one contributor, which is the one that the entry point offers."""
    (named,) = load.parse(block("yaml").encode()).contributors
    assert [named.name] == list(tomllib.loads(block("toml"))["project"]["entry-points"]["pyopenshell.contributors"])


def test_the_function():
    """It runs as it stands there."""
    names: dict[str, Any] = {}
    exec(block("python"), names)
    identity = Identity(uid=1, gid=1, groups=(), home="/home/ada")
    grants = names["contribute"](Request(name="model-cache", command=(), workdir="/src", identity=identity))
    assert ["/srv/models", "/home/ada/.cache/kernels"] == [grant.path for grant in grants]


def test_every_attribute_of_a_request():
    """In the table of what is asked."""
    section = TEXT.split("**What it is asked**")[1].split("**What it answers**")[0]
    assert list(Request.__dataclass_fields__) == re.findall(r"^\| `([a-z]+)` \|", section, re.MULTILINE)


def test_every_error():
    """Each code that is raised is explained, and no other."""
    code = "".join((SOURCE / "baseline" / name).read_text() for name in ("answer.py", "contributor.py"))
    assert set(re.findall(r'"(contributor\.[a-z-]+)"', code)) == rows("Errors")


def test_every_finding():
    """Each reason for which a path is dropped."""
    code = (SOURCE / "effective" / "contributed.py").read_text()
    assert {f"contributor.{name}" for name in re.findall(r'return "([a-z-]+)", ', code)} == rows(
        "What becomes of an answer"
    )


def test_the_bounds():
    """The numbers are those of the code."""
    for said in (f"{MOST_GRANTS} at most", f"{LONGEST} characters", f"{SECONDS:g} seconds", f"{MOST_BYTES >> 20} MiB"):
        assert said in TEXT.replace("\n", " ")
    assert SCHEMA in TEXT
