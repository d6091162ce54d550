"""``run``'s own parser: every spelling, where the command starts, and what is refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pyopenshell
from pyopenshell.cli.run_options import ALL_GPUS, OPTIONS, help_text, parse, wants_json
from pyopenshell.errors import UsageError

DEFAULTS = {
    "policy": None,
    "name": None,
    "gpu": None,
    "devices": (),
    "cdi_spec_dirs": (),
    "env": (),
    "workdir": None,
    "verify": False,
    "explain": False,
    "max_abi": None,
    "unsafe_unconfined": False,
    "output": None,
    "quiet": False,
    "help": False,
}


@pytest.mark.parametrize(
    ("argv", "changed", "command"),
    [
        (["true"], {}, ["true"]),
        (["--", "true"], {}, ["true"]),
        (["--", "--odd", "x"], {}, ["--odd", "x"]),
        (["--", "--", "x"], {}, ["--", "x"]),
        (["-"], {}, ["-"]),
        (["cat", "-p", "x", "--", "y"], {}, ["cat", "-p", "x", "--", "y"]),
        (["--policy", "p.yaml", "true"], {"policy": "p.yaml"}, ["true"]),
        (["--policy=p.yaml", "true"], {"policy": "p.yaml"}, ["true"]),
        (["--policy=a=b", "true"], {"policy": "a=b"}, ["true"]),
        (["-p", "p.yaml", "true"], {"policy": "p.yaml"}, ["true"]),
        (["-pp.yaml", "true"], {"policy": "p.yaml"}, ["true"]),
        (["-policy", "true"], {"policy": "olicy"}, ["true"]),
        (["-p=p.yaml", "true"], {"policy": "p.yaml"}, ["true"]),
        (["-n", "demo", "-C", "/srv", "true"], {"name": "demo", "workdir": "/srv"}, ["true"]),
        (["-qn", "demo", "true"], {"quiet": True, "name": "demo"}, ["true"]),
        (["--gpu", "true"], {"gpu": 1}, ["true"]),
        (["--gpu", "--", "2"], {"gpu": 1}, ["2"]),
        (["--device", "a.com/b=c", "--device=a.com/b=d", "x"], {"devices": ("a.com/b=c", "a.com/b=d")}, ["x"]),
        (["--cdi-spec-dir", "/a", "x"], {"cdi_spec_dirs": ("/a",)}, ["x"]),
        (["--gpu", "0", "true"], {"gpu": 0}, ["true"]),
        (["--gpu=2", "true"], {"gpu": 2}, ["true"]),
        (["--gpu", "all", "true"], {"gpu": ALL_GPUS}, ["true"]),
        (["--gpu=all", "true"], {"gpu": ALL_GPUS}, ["true"]),
        (["-e", "A", "--env", "B=1", "--env=C=", "true"], {"env": ("A", "B=1", "C=")}, ["true"]),
        (["--verify", "true"], {"verify": True}, ["true"]),
        (["--explain", "-o", "json", "true"], {"explain": True, "output": "json"}, ["true"]),
        (["--max-abi", "3", "--unsafe-unconfined", "x"], {"max_abi": 3, "unsafe_unconfined": True}, ["x"]),
        (["--max-abi=0", "x"], {"max_abi": 0}, ["x"]),
        (["--help"], {"help": True}, []),
        (["-h", "true"], {"help": True}, ["true"]),
    ],
)
def test_accepts(argv, changed, command):
    """Options end at the first other argument or ``--``; values are attached or follow."""
    assert ({**DEFAULTS, **changed}, command) == parse(argv)


@pytest.mark.parametrize(
    ("argv", "message", "hint"),
    [
        ([], "run: no command is given", "usage: openshell run"),
        (["--"], "run: no command is given", "usage: openshell run"),
        (["--explain"], "run: no command is given", "usage: openshell run"),
        (["--polcy", "x"], "run: unknown option --polcy", "did you mean --policy?"),
        (["-z", "x"], "run: unknown option -z", "openshell run --help"),
        (["-xpolicy", "x"], "run: unknown option -xpolicy", "did you mean --policy?"),
        (["--policy"], "run: --policy needs a value: --policy FILE", "--help"),
        (["-p", "--", "x"], "run: -p needs a value: -p FILE", "--help"),
        (["--policy=", "x"], "run: the value of --policy is empty", "--help"),
        (["--name", "a", "-n", "b", "x"], "run: -n is given twice", "--help"),
        (["--gpu=-1", "x"], "run: --gpu takes a number or all, not '-1'", "--help"),
        (["--gpu=²", "x"], "run: --gpu takes a number or all, not '²'", "--help"),
        (["--gpu", "1", "--gpu", "2", "x"], "run: --gpu is given twice", "--help"),
        (["--env", "=1", "x"], "run: --env needs a variable's name, not '=1'", "write --env KEY"),
        (["--env=", "x"], "run: --env needs a variable's name, not ''", "write --env KEY"),
        (["--max-abi", "new", "x"], "run: --max-abi takes a Landlock ABI", "--help"),
        (["--explain=yes", "x"], "run: --explain takes no value", "--help"),
        (["-o", "xml", "x"], "run: -o takes table, json, yaml, not 'xml'", "--help"),
    ],
)
def test_refuses(argv, message, hint):
    """A mistake is one sentence that names the option; the hint says what was meant or where to look."""
    with pytest.raises(UsageError) as caught:
        parse(argv)
    assert message in caught.value.message
    assert hint in (caught.value.hint or "")
    assert caught.value.exit_code == 2


@given(
    st.lists(st.text(max_size=8) | st.sampled_from([flag for option in OPTIONS for flag in option.flags]), max_size=6)
)
def test_never_anything_but_a_usage_error(argv):
    """Whatever the arguments are, the parser returns or raises UsageError, and the command is a tail of them."""
    try:
        _, command = parse(argv)
    except UsageError:
        wants_json(argv)
        return
    assert command == argv[len(argv) - len(command) :]


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["-o", "json", "--", "x"], True),
        (["--output=json", "--bad"], True),
        (["--bad", "-o", "json", "x"], True),
        (["cat", "-o", "json"], False),
        (["--bad", "--", "-o", "json"], False),
        (["-o", "yaml", "x"], False),
    ],
)
def test_errors_as_json_only_when_our_own_options_say_so(argv, expected):
    """The command's ``-o json`` is not ours; ours counts even among options that are wrong."""
    assert expected == wants_json(argv)


def test_help_names_every_option():
    """The help text lists every spelling and fits 120 columns."""
    text = help_text()
    assert [] == [flag for option in OPTIONS for flag in option.flags if flag not in text]
    assert [] == [line for line in text.splitlines() if len(line) > 120]


def test_parsing_needs_no_slow_module():
    """The cold path: parsing imports neither argparse nor re."""
    code = (
        "import sys; from pyopenshell.cli.run_options import parse; parse(['-n', 'a', '--gpu', 'x']);"
        "print([name for name in ('argparse', 're', 'typing', 'difflib', 'json') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        env={"PYTHONPATH": str(Path(pyopenshell.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "[]\n" == done.stdout
