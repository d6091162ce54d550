"""Policies from files, pipes and bytes; the built-in one; what a valid policy becomes."""

from __future__ import annotations

import hashlib
import os
import socket
import threading

import pytest

from pyopenshell.errors import OpenShellError, PolicyError
from pyopenshell.policy import load
from pyopenshell.policy.default import TEXT
from pyopenshell.policy.model import MAX_FILE_SIZE, DeclaredPath, Endpoint, FilesystemPolicy, ProcessPolicy

FULL = """\
version: 1
filesystem_policy:
  include_workdir: true
  read_only:
    - /usr//share/./doc/
    - "/srv/data with spaces"
  read_write: [/dev/nvidia0, /proc, /srv/データ]
landlock: {compatibility: hard_requirement}
process: {run_as_user: builder, run_as_group: 1500}
network_policies:
  api:
    name: The API
    endpoints:
      - {host: api.example.com, port: 443}
      - {allowed_ips: [10.0.0.0/8], ports: [80, 8080]}
    binaries: [{path: /usr/bin/curl}, {path: /opt/**}]
  nothing: {}
runtime: {cuda_thread_names: off}
"""


def unreadable(path) -> OpenShellError:
    """The error for a policy that cannot be read."""
    with pytest.raises(OpenShellError) as caught:
        load.load(str(path))
    assert not isinstance(caught.value, PolicyError)
    assert "policy.unreadable" == caught.value.code
    assert str(path) == caught.value.file
    return caught.value


def test_every_section_becomes_a_field():
    """Each key arrives in the model, paths normalised and with their places; what was written is kept as written."""
    policy = load.parse(FULL.encode(), "full.yaml")
    assert (
        FilesystemPolicy(
            True,
            (DeclaredPath("/usr/share/doc", 5, 7), DeclaredPath("/srv/data with spaces", 6, 7)),
            (DeclaredPath("/dev/nvidia0", 7, 16), DeclaredPath("/proc", 7, 30), DeclaredPath("/srv/データ", 7, 37)),
        )
        == policy.filesystem
    )
    assert "hard_requirement" == policy.compatibility
    assert ProcessPolicy("builder", "1500") == policy.process
    assert "off" == policy.cuda_thread_names
    assert "/usr//share/./doc/" == policy.declared["filesystem_policy"]["read_only"][0]
    assert 1500 == policy.declared["process"]["run_as_group"]
    assert ["version", "filesystem_policy", "landlock", "process", "network_policies", "runtime"] == list(
        policy.declared
    )


def test_network_entries_have_labels_and_lines():
    """Entries and endpoints are kept as people write them, each with its line."""
    api, nothing = load.parse(FULL.encode()).network
    assert ("api", "The API", 11) == (api.key, api.name, api.line)
    assert (Endpoint("api.example.com:443", 14), Endpoint("10.0.0.0/8:80,8080", 15)) == api.endpoints
    assert ("/usr/bin/curl", "/opt/**") == api.binaries
    assert ("nothing", "nothing", (), ()) == (nothing.key, nothing.name, nothing.endpoints, nothing.binaries)


def test_source_is_what_was_read():
    """The source names the file and holds its text and the digest of its bytes."""
    source = load.parse(FULL.encode(), "full.yaml").source
    assert ("full.yaml", FULL, hashlib.sha256(FULL.encode()).hexdigest()) == (source.file, source.text, source.sha256)


def test_minimal_policy_has_the_documented_defaults():
    """A policy file that says nothing grants nothing, not even the working directory."""
    policy = load.parse(b"version: 1\n")
    assert FilesystemPolicy(False) == policy.filesystem
    assert ("best_effort", ProcessPolicy(), (), "auto") == (
        policy.compatibility,
        policy.process,
        policy.network,
        policy.cuda_thread_names,
    )
    assert (None, {"version": 1}) == (policy.source.file, policy.declared)


@pytest.mark.parametrize("word", ["off", "'off'", '"off"'])
def test_off_is_text_however_it_is_written(word):
    """YAML 1.1 reads a bare off as false; here it is the word, quoted or not."""
    assert "off" == load.parse(f"version: 1\nruntime:\n  cuda_thread_names: {word}\n".encode()).cuda_thread_names


@pytest.mark.parametrize("name", ["builder", "no", "user.name@example.com", "4294967294", "svc$", "Domain\\user"])
def test_identities_that_are_taken(name):
    """Names as directories write them, and numbers up to the largest uid."""
    text = f"version: 1\nprocess: {{run_as_user: '{name}', run_as_group: '{name}'}}\n"
    assert ProcessPolicy(name, name) == load.parse(text.encode()).process


def test_writable_inside_read_only_is_fine():
    """Rights add up, so a writable folder inside a read-only one is what it says; names that only begin alike too."""
    text = "version: 1\nfilesystem_policy: {read_only: [/srv, /srv-b/x], read_write: [/srv/cache, /srv-b/xy]}\n"
    assert 2 == len(load.parse(text.encode()).filesystem.read_write)


def test_exactly_the_limits_are_allowed():
    """256 paths and 4,096 characters are taken; one more of either is not (see the mistakes)."""
    paths = ["/" + "x" * 4095, *[f"/p{number}" for number in range(255)]]
    text = f"version: 1\nfilesystem_policy: {{read_only: [{', '.join(paths)}]}}\n"
    assert 256 == len(load.parse(text.encode()).filesystem.read_only)


def test_default_is_its_text():
    """The built-in policy, which is made without YAML, is what its printed text says."""
    assert load.parse(TEXT.encode()) == load.default()
    assert load.default().filesystem.include_workdir


def test_default_without_the_comments_declares_nothing_else():
    """Beyond the working directory the built-in policy grants no path and no endpoint."""
    policy = load.default()
    assert ((), (), ()) == (policy.filesystem.read_only, policy.filesystem.read_write, policy.network)


def test_file_is_loaded(tmp_path):
    """A file is parsed under the name it was given by."""
    path = tmp_path / "p.yaml"
    path.write_text(FULL)
    assert str(path) == load.load(str(path)).source.file


def test_byte_order_mark_is_dropped(tmp_path):
    """An editor's byte order mark moves nothing; the digest is of the file as it is."""
    data = b"\xef\xbb\xbfversion: 2\n"
    with pytest.raises(PolicyError) as caught:
        load.parse(data)
    assert (1, 10) == (caught.value.line, caught.value.column)
    good = load.parse(data.replace(b"2", b"1"))
    assert ("version: 1\n", hashlib.sha256(data.replace(b"2", b"1")).hexdigest()) == (
        good.source.text,
        good.source.sha256,
    )


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_line_endings(ending):
    """Lines are counted alike however they end."""
    text = "version: 1\nlandlock: {}\nprocess: 5\n".replace("\n", ending)
    with pytest.raises(PolicyError) as caught:
        load.parse(text.encode())
    assert (3, 10) == (caught.value.line, caught.value.column)


def test_pipe_is_read_to_its_end(tmp_path):
    """A policy may come through a pipe, in pieces."""
    path = tmp_path / "pipe"
    os.mkfifo(path)

    def write() -> None:
        with open(path, "wb", buffering=0) as pipe:
            for start in range(0, len(FULL.encode()), 100):
                pipe.write(FULL.encode()[start : start + 100])

    writer = threading.Thread(target=write)
    writer.start()
    policy = load.load(str(path))
    writer.join()
    assert FULL == policy.source.text


def test_open_descriptor_is_a_file():
    """``--policy /dev/fd/N``, as shells make it of ``<(command)``."""
    reader, writer = os.pipe()
    os.write(writer, b"version: 1\n")
    os.close(writer)
    try:
        assert 1 == load.load(f"/dev/fd/{reader}").version
    finally:
        os.close(reader)


def test_endless_pipe_is_left_at_the_limit(tmp_path):
    """Of a pipe that does not end no more is read than a policy may have."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    written = []

    def write() -> None:
        with open(path, "wb", buffering=0) as pipe:
            try:
                while True:
                    written.append(pipe.write(b"#" * 65536))
            except BrokenPipeError:
                pass

    writer = threading.Thread(target=write)
    writer.start()
    error = unreadable(path)
    writer.join()
    assert "more than 1,048,576 bytes" in error.message
    assert sum(written) < 2 * MAX_FILE_SIZE


def test_large_file(tmp_path):
    """A file of 10 MB is refused by its size, unread."""
    path = tmp_path / "large.yaml"
    path.touch()
    os.truncate(path, 10_000_000)
    assert "the policy has 10,000,000 bytes; at most 1,048,576 are read" == unreadable(path).message


def test_size_limit_is_exact():
    """A policy of exactly the limit is parsed; one byte more is not."""
    policy = b"version: 1\n#"
    assert load.parse(policy.ljust(MAX_FILE_SIZE, b"x"))
    with pytest.raises(OpenShellError, match="1,048,577 bytes"):
        load.parse(policy.ljust(MAX_FILE_SIZE + 1, b"x"))


def test_missing_file(tmp_path):
    """A missing file is an error with a hint, not a default."""
    error = unreadable(tmp_path / "none.yaml")
    assert "cannot read the policy: No such file or directory" == error.message
    assert "--policy" in (error.hint or "")


def test_folder(tmp_path):
    """A folder is called a folder."""
    assert "the policy is a folder, not a file" == unreadable(tmp_path).message


def test_device():
    """A device is not opened: opening some does things."""
    assert "the policy is a device, not a file" == unreadable("/dev/zero").message


def test_socket(tmp_path):
    """A socket is not a file either."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        assert "the policy is a socket, not a file" == unreadable(tmp_path / "s").message


def test_no_file_name():
    """Names that no file can have are missing files, not crashes."""
    for name in ("", "a\0b", "x" * 5000):
        assert "cannot read the policy" in unreadable(name).message


def test_link_to_itself(tmp_path):
    """A loop of links is told as the kernel tells it."""
    os.symlink(tmp_path / "loop", tmp_path / "loop")
    assert "Too many levels of symbolic links" in unreadable(tmp_path / "loop").message


def test_not_permitted(tmp_path):
    """A file that may not be read is told so; root may read anything, and loads it."""
    path = tmp_path / "secret.yaml"
    path.write_text("version: 1\n")
    path.chmod(0)
    if os.getuid() == 0:
        assert 1 == load.load(str(path)).version
    else:
        assert "Permission denied" in unreadable(path).message
