"""docs/api.md against the package: every public name, its signature, and an example that works."""

from __future__ import annotations

import importlib
import inspect
import json
import re
from typing import Any

import pytest

import pyopenshell
from pyopenshell.testing import require
from tests.confined.landlock.harness import needs_landlock
from tests.unit.docs import api_examples, api_listing, api_places

TEXT = api_listing.PAGE.read_text(encoding="utf-8")
LISTING = api_listing.listing()
SECONDS = 300
"""How long all examples may take together."""


def test_every_public_name_is_documented_and_nothing_else():
    """The names of the package and those that have an entry are the same."""
    assert sorted(LISTING) == sorted(api_listing.documented(TEXT))


@pytest.mark.parametrize("name", LISTING)
def test_the_signature_is_the_real_one(name):
    """What stands below a heading is what the code says (``python -m tests.unit.docs.api_listing`` writes it)."""
    assert LISTING[name] == api_listing.documented(TEXT).get(name)


def test_the_listing_sees_a_change():
    """A parameter, its kind, its default, a method and a field are all in it: none can change unseen."""

    class Thing:
        field: int = 1

        def method(self, one, *, two: str = "2") -> None: ...

    Thing.__module__ = "pyopenshell.thing"
    source = api_listing.render("Thing", Thing)
    assert "class Thing:\n    field: int = 1\n    def method(one, *, two: str = '2') -> None\n" == source


def test_links_lead_somewhere():
    """Those to headings of the page, and those to files of the repository."""
    headings = [line.lstrip("# ").lower() for line in TEXT.splitlines() if line.startswith("#")]
    anchors = {re.sub(r"[^\w -]", "", heading).replace(" ", "-") for heading in headings}
    links = re.findall(r"\]\(([^)\s]+)\)", TEXT)
    assert [] == [link for link in links if link[0] == "#" and link[1:] not in anchors]
    files = [link.partition("#")[0] for link in links if link[0] != "#"]
    assert [] == [file for file in files if not (api_listing.PAGE.parent / file).exists()]
    assert len(files) > 8


def has_example(name: str) -> bool:
    """Whether the entry of a name, or the name's own docstring, has an example."""
    sections = dict(api_examples.SECTION.findall(TEXT))
    heading = next(one for one in sections if one.endswith(f" `{name}`"))
    blocks = [mark for language, mark, _ in api_examples.BLOCK.findall(sections[heading]) if language == "python"]
    return "" in blocks


@pytest.mark.parametrize("name", [name for name in LISTING if ".plugin." not in name])
def test_every_name_has_an_example(name):
    """An entry without one is none. The fixtures have theirs together, in a test of the page that is run."""
    assert has_example(name)


def test_every_fixture_has_an_example():
    """The page's own test module asks for each of them."""
    fixtures = [name.rpartition(".")[2] for name in LISTING if ".plugin." in name]
    body = next(body for _, mark, body in api_examples.BLOCK.findall(TEXT) if mark == "test_tool.py")
    assert ["openshell_state"] == [name for name in fixtures if name not in body]  # it comes with the others
    assert fixtures


def run(part: str, who: str) -> Any:
    """Run a part of the examples as somebody; return what came of it."""
    with api_places.place(who) as place:
        done = place.python("-m", "tests.unit.docs.api_examples", part, timeout=SECONDS)
    assert (0, "") == (done.returncode, done.stderr)
    return json.loads(done.stdout)


@needs_landlock
@pytest.mark.parametrize("who", api_places.WHO)
def test_the_examples_of_the_page_work(who):
    """Each does what it shows, with one zygote for all of them, as root and as an ordinary user."""
    require(namespaces=True)  # for a terminal
    outcome = run("page", who)
    assert [] == outcome["failures"], "\n\n".join(f"{name}\n{said}" for name, said in outcome["failures"])
    assert outcome["count"] > 60


@needs_landlock
@pytest.mark.parametrize("who", api_places.WHO)
def test_the_examples_in_docstrings_work(who):
    """The same for those in docstrings of public names."""
    outcome = run("docstrings", who)
    assert [] == outcome["failures"], "\n\n".join(f"{name}\n{said}" for name, said in outcome["failures"])
    assert outcome["count"] > 10


@pytest.mark.parametrize("name", LISTING)
def test_every_name_has_a_docstring(name):
    """The name itself, and each public method and property of a class."""
    module, _, attribute = name.rpartition(".")
    module = module or ("pyopenshell" if attribute in pyopenshell._PUBLIC else "pyopenshell.errors")
    value = getattr(importlib.import_module(module), attribute)
    if not inspect.isclass(value):
        assert not inspect.isfunction(value) or value.__doc__
        return
    public = {one for one in dir(value) if one[0] != "_" and not hasattr(Exception, one)}
    own = [one for one in public if _is_ours(inspect.getattr_static(value, one))]
    assert [] == [one for one in own if not getattr(value, one).__doc__]
    assert value.__doc__


def _is_ours(member: Any) -> bool:
    code = member.fget if isinstance(member, property) else getattr(member, "__func__", member)
    return inspect.isfunction(code) and code.__module__.startswith("pyopenshell")
