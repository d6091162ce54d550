"""The parser, the page that documents it, and the completions made from it say the same."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from pyopenshell.cli import app, run_options
from pyopenshell.cli.completion import FOLDER
from pyopenshell.cli.parser import build
from pyopenshell.cli.parsing import GLOBALS
from pyopenshell.cli.verbs_local import SHELLS, WHY
from pyopenshell.effective.why import WANTS
from pyopenshell.errors import UsageError

PAGE = Path(__file__).parents[3] / "docs" / "cli.md"


def leaves(parser):
    """Return the verbs that do something, with their parsers."""
    if not parser.verbs:
        return {parser.prog: parser}
    return {prog: leaf for verb in parser.verbs.values() for prog, leaf in leaves(verb).items()}


def documented():
    """Return the flags of each section of docs/cli.md, by the verb in its heading."""
    sections = {}
    for part in PAGE.read_text(encoding="utf-8").split("\n## ")[1:]:
        heading, _, body = part.partition("\n")
        if heading.startswith("`openshell"):
            verb = re.sub(r"( [A-Z.]+)+$", "", heading.strip("`"))
            items = re.findall(r"^- (`-[^:]*`):", body, re.MULTILINE)
            sections[verb] = {flag.split()[0] for item in items for flag in re.findall(r"`([^`]+)`", item)}
    return sections


def test_every_verb_and_flag_is_documented_and_nothing_else():
    """docs/cli.md lists exactly the verbs, and under each exactly its flags."""
    parser = build()
    others = {"-h", "--help", *GLOBALS}  # said once, for all
    verbs = {verb: set(leaf.flags) - others for verb, leaf in leaves(parser).items()}
    verbs["openshell"] = set(parser.flags)
    verbs["openshell run"] |= {"-h", "--help"}
    assert verbs == documented()


def test_examples_of_the_page_parse():
    """Every example in docs/cli.md is a command line that the parser takes."""
    page = PAGE.read_text(encoding="utf-8")
    lines = [line for block in re.findall(r"```sh\n(.*?)```", page, re.DOTALL) for line in block.splitlines()]
    assert 5 < len(lines)
    for line in lines:
        _, *argv = shlex.split(line)
        if argv[0] == "run":
            assert run_options.parse(argv[1:])[1]
        else:
            assert not build().parse_known_args(list(app._explicit_gpus(argv)))[1]


def test_run_is_the_same_for_argparse():
    """Help and completions know every option of ``run`` that its own parser knows."""
    assert [flag for option in run_options.OPTIONS for flag in option.flags] == [
        *build().verbs["run"].flags[2:],
        "--help",
        "-h",
    ]


def test_why_asks_what_can_be_answered():
    """The flags of ``why`` are the questions that ``effective.why`` answers."""
    assert WANTS == WHY


@pytest.mark.parametrize(
    ("argv", "gpu", "path"),
    [
        (["why", "--gpu", "/dev/nvidia0"], 1, "/dev/nvidia0"),
        (["why", "--gpu", "0", "/proc"], 0, "/proc"),
        (["why", "/proc", "--gpu"], 1, "/proc"),
        (["why", "/proc", "--gpu=2"], 2, "/proc"),
        (["why", "--gpu", "all", "/proc"], -1, "/proc"),
        (["why", "/proc"], None, "/proc"),
    ],
)
def test_why_reads_gpu_as_run_does(argv, gpu, path):
    """A bare ``--gpu`` does not swallow the path."""
    arguments = build().parse_args(list(app._explicit_gpus(argv)))
    assert (gpu, path) == (arguments.gpu, arguments.path)


@pytest.mark.parametrize(
    ("argv", "message", "hint"),
    [
        (["polcy"], "unknown verb: openshell polcy", "did you mean openshell policy?"),
        (["list"], "unknown verb: openshell list", "did you mean openshell sandbox list?"),
        (["policy", "gett"], "unknown verb: openshell policy gett", "did you mean openshell policy get?"),
        (["xyzzy"], "unknown verb: openshell xyzzy", "openshell --help lists the verbs"),
        (["sandbox", "list", "--name"], "sandbox list: not understood: --name", "did you mean --names?"),
        (["policy", "get", "a", "--ful"], "policy get: not understood: --ful", "did you mean --full?"),
        (["policy", "get", "a", "b"], "policy get: not understood: b", "usage: openshell policy get"),
        (["sandbox", "get"], "sandbox get: the following arguments are required: NAME", "usage: "),
        (["policy", "get", "a", "--full", "--base"], "policy get: argument --base: not allowed with", "usage: "),
        (["logs", "a", "-n", "many"], "logs: argument -n: not a number from 0: 'many'", "usage: "),
        (["sandbox", "list", "-o", "xml"], "sandbox list: argument -o/--output: invalid choice: 'xml'", "usage: "),
        (["why", "/", "--read", "--write"], "why: argument --write: not allowed with argument --read", "usage: "),
        (["why", ""], "why: an empty path", None),
    ],
)
def test_mistakes_on_the_command_line(argv, message, hint):
    """Each is a UsageError (exit code 2) that names what was meant."""
    with pytest.raises(UsageError) as caught:
        app.main(argv)
    assert message in caught.value.message
    assert (hint or "") in (caught.value.hint or "")


@pytest.mark.parametrize("argv", [[], ["policy"], ["sandbox"], ["-v"]])
def test_a_missing_verb_prints_help_and_fails(argv, capsys):
    """Help goes to stderr, so that a pipe gets nothing that looks like output."""
    assert 2 == app.main(argv)
    shown = capsys.readouterr()
    assert "" == shown.out
    assert "verbs:" in shown.err


@pytest.mark.parametrize("verb", [[], ["policy"], ["policy", "get"], ["run"], ["why"]])
def test_help_is_no_failure(verb, capsys):
    """``--help`` prints the usage on stdout."""
    assert 0 == app.main([*verb, "--help"])
    assert capsys.readouterr().out.startswith("usage: openshell")


@pytest.mark.parametrize("shell", SHELLS)
def test_completions_are_current(shell):
    """The shipped completions are what shtab makes of the parser: ``python -m tests.unit.cli.regenerate``."""
    pytest.importorskip("shtab", reason="shtab is not installed (it belongs to the static checks)")
    from tests.unit.cli.regenerate import completions

    assert completions(shell) == (FOLDER / f"openshell.{shell}").read_text(encoding="utf-8")


@pytest.mark.parametrize("shell", SHELLS)
def test_completions_are_printed(shell, capsys):
    """``completions SHELL`` prints the shipped file."""
    assert 0 == app.main(["completions", shell])
    assert (FOLDER / f"openshell.{shell}").read_text(encoding="utf-8") == capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["openshell", "policy", "ge"], ["get"]),
        (["openshell", "run", "--unsa"], ["--unsafe-unconfined"]),
        (["openshell", "why", "--ioc"], ["--ioctl"]),
        (["openshell", "run", "--policy", "pyproj"], ["pyproject.toml"]),
    ],
)
def test_bash_completes(words, expected):
    """In a real bash, verbs, flags and files are completed."""
    script = 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _shtab_openshell; echo "${COMPREPLY[@]}"'
    done = subprocess.run(
        ["bash", "-c", script, "bash", str(FOLDER / "openshell.bash"), *words],
        cwd=PAGE.parents[1],
        capture_output=True,
        text=True,
        check=True,
    )
    assert expected == done.stdout.split()
