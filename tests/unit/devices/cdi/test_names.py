"""The grammar of CDI names, their order, and how paths stand in mends."""

import os
import shutil
import subprocess

import pytest

from pyopenshell.devices.cdi import names

KINDS = [
    ("nvidia.com/gpu", None),
    ("a/b", None),
    ("vendor-1.com/net_dev.x", None),
    ("gpu", "there is no '/' between vendor and class"),
    ("/gpu", "the vendor is empty"),
    ("nvidia.com/", "the class is empty"),
    ("nvidia.com/gpu/0", "the class holds '/'"),
    ("1nvidia.com/gpu", "the vendor does not begin with a letter"),
    ("nvidia.com/1gpu", "the class does not begin with a letter"),
    ("nvidia.com-/gpu", "the vendor does not end with a letter or a digit"),
    ("nvidiä.com/gpu", "the vendor holds 'ä'"),
    ("nvidia.com/gpu:0", "the class holds ':'"),
]
DEVICES = [
    ("0", None),
    ("all", None),
    ("0:1", None),
    ("GPU-8836a272-ca08-9629-24b6-54ca9b98cd30", None),
    ("a.b_c", None),
    ("", "it is empty"),
    (":0", "it does not begin with a letter or a digit"),
    ("0-", "it does not end with a letter or a digit"),
    ("MIG-GPU-1/1/0", "it holds '/'"),
    ("a b", "it holds ' '"),
    ("٣", "it holds '٣'"),
]
BARE = [
    ("0:rw", "0"),
    ("0:m", "0"),
    ("a:b:rwm", "a:b"),
    ("0:1", None),
    ("rw", None),
    (":rw", None),
    ("0:", None),
    ("0:rx", None),
    ("0:ro", "0"),
    ("0:RW", "0"),
]


@pytest.mark.parametrize(("kind", "wrong"), KINDS)
def test_kinds(kind, wrong):
    """A kind is vendor/class, both of the characters that engines allow."""
    assert wrong == names.wrong_kind(kind)


@pytest.mark.parametrize(("device", "wrong"), DEVICES)
def test_devices(device, wrong):
    """A device's name may begin with a digit and hold colons, as MIG's do."""
    assert wrong == names.wrong_device(device)


@pytest.mark.parametrize(("name", "bare"), BARE)
def test_permissions_at_the_end(name, bare):
    """Only letters of rwm behind a colon are permissions: the instance of a MIG device is none."""
    assert bare == names.without_permissions(name)


def test_natural_order():
    """Numbers are ordered by value, before words, whatever their length."""
    expected = ["g=0", "g=0:2", "g=0:10", "g=2", "g=10", "g=" + "9" * 5000, "g=GPU-1", "g=all"]
    shuffled = sorted(expected)
    assert expected != shuffled
    assert expected == sorted(shuffled, key=names.natural)


def test_lists_are_cut():
    """A message lists eight names and says how many more there are."""
    assert "0, 1, 2, 3, 4, 5, 6, 7 and 1,992 more" == names.listed(map(str, range(2000)))
    assert "0, 1" == names.listed("01")


@pytest.mark.parametrize("path", ["/etc/cdi/a.yaml", "/a b", "/it's", "; rm -rf ~", "$(x)", "*", "-"])
def test_a_shell_takes_a_path_as_it_is(path):
    """What a mend names can be typed, whatever its name is."""
    said = subprocess.run(
        ["/bin/sh", "-c", f"printf %s {names.quoted(path)}"], capture_output=True, text=True, check=True
    )
    assert path == said.stdout


@pytest.mark.parametrize("path", ["a\nb\udcff.yml", "/it's\\n\x1b[2J", "\u202e\x850", "\ttab"])
def test_a_path_that_cannot_be_printed(path):
    """It stands in a mend as docs/cli.md says, and a shell takes it as the name that it is."""
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("needs: bash")
    typed = names.quoted(path)
    assert (True, "$'") == (typed.isprintable(), typed[:2])
    said = subprocess.run([bash, "-c", f"printf %s {typed}"], capture_output=True, check=True).stdout
    assert os.fsencode(path) == said


def test_what_cannot_be_printed_is_spelled_out():
    """As docs/cli.md promises for all that is printed."""
    assert r"'a\x0ab\xff\u202e\U000e0001\x85'" == names.show("a\nb\udcff\u202e\U000e0001\x85")
    assert "'it's'" == names.show("it's")
