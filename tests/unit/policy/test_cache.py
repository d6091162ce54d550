"""Trees kept from run to run: the same policy comes out, and what is kept can only ever cost time."""

import os

import pytest

from pyopenshell.errors import PolicyError
from pyopenshell.policy import cache, load
from pyopenshell.policy.digest import sha256

TEXT = b"""version: 1
filesystem_policy:
  include_workdir: true
  read_only: [/opt, /srv]
process: {run_as_user: 1000}
network_policies: {a: {endpoints: [{host: a.example, port: 443}]}}
"""


def test_a_kept_tree_gives_the_same_policy(tmp_path):
    """Lines and columns included; and the second time it is the tree that is read."""
    folder = str(tmp_path / "kept")
    first = load.parse(TEXT, "p.yaml", folder)
    assert cache.get(folder, sha256(TEXT)) is not None
    assert first == load.parse(TEXT, "p.yaml", folder) == load.parse(TEXT, "p.yaml")


def test_a_policy_with_mistakes_is_not_kept(tmp_path):
    """Its messages come from the parser, each time anew."""
    folder = str(tmp_path / "kept")
    bad = b"version: 1\nfilesystem: {}\n"
    for _ in range(2):
        with pytest.raises(PolicyError):
            load.parse(bad, "p.yaml", folder)
    assert not os.path.exists(folder) or os.listdir(folder) == []


@pytest.mark.parametrize("data", [b"", b"\x00", b"not marshal", b"i\x01\x00\x00\x00", b"(\x00\x00\x00\x00"])
def test_what_is_damaged_is_read_again(tmp_path, data):
    """Whatever the file holds, the policy is that of the text."""
    folder = tmp_path / "kept"
    expected = load.parse(TEXT, "p.yaml", str(folder))
    for name in os.listdir(folder):
        (folder / name).write_bytes(data)
    assert expected == load.parse(TEXT, "p.yaml", str(folder))


def test_a_folder_others_can_write_to_is_not_read(tmp_path):
    """Somebody else could have put a policy there."""
    folder = tmp_path / "kept"
    load.parse(TEXT, "p.yaml", str(folder))
    folder.chmod(0o777)
    assert cache.get(str(folder), sha256(TEXT)) is None
    assert load.parse(TEXT, "p.yaml") == load.parse(TEXT, "p.yaml", str(folder))


def test_it_does_not_grow_without_end(tmp_path):
    """Beyond the limit all are thrown away."""
    folder = str(tmp_path / "kept")
    for number in range(cache.MOST + 2):
        load.parse(TEXT + b"# %d\n" % number, None, folder)
    assert len(os.listdir(folder)) <= cache.MOST
