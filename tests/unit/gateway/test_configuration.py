"""Which gateways are known and which one is meant: the files, the variables, and what is wrong with either."""

import json
import os

import pytest

from pyopenshell.errors import OpenShellError, StateError, UsageError
from pyopenshell.gateway import configuration
from pyopenshell.gateway.endpoint import Endpoint

ADDRESS = "https://127.0.0.1:17670"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A configuration folder of the test's own, which does not exist yet, and no variables of the tester's."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    for name in ("OPENSHELL_GATEWAY", "OPENSHELL_GATEWAY_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "openshell"


def registered(name="local", **files):
    """Register a gateway with all of its files."""
    files = {"auth_mode": "mtls", "ca": b"ca", "certificate": b"crt", "key": b"key"} | files
    return configuration.add(name, ADDRESS, **files)


def meant(*args, **options) -> configuration.Gateway:
    """The gateway that is meant, where there is one."""
    gateway = configuration.chosen(*args, **options)
    assert gateway is not None
    return gateway


def test_nothing_is_configured():
    """Without any file there is no gateway, no name and no sandbox that was used last."""
    assert (None, None, [], None) == (
        configuration.chosen(),
        configuration.active(),
        configuration.names(),
        configuration.last_sandbox(),
    )


def test_a_registration_is_what_openshell_reads(folder):
    """The files have the names, contents and modes that OpenShell's clients expect, closed to others."""
    gateway = registered()
    mtls = folder / "gateways/local/mtls"
    assert [b"ca", b"crt", b"key"] == [(mtls / name).read_bytes() for name in ("ca.crt", "tls.crt", "tls.key")]
    told = json.loads((folder / "gateways/local/metadata.json").read_text())
    assert {"name": "local", "gateway_endpoint": ADDRESS, "auth_mode": "mtls"} == told
    assert {0o600} == {path.stat().st_mode & 0o777 for path in (folder / "gateways").rglob("*") if path.is_file()}
    assert {0o700} == {path.stat().st_mode & 0o777 for path in (folder / "gateways").rglob("*") if path.is_dir()}
    assert (str(mtls / "ca.crt"), str(mtls / "tls.crt"), None) == (gateway.ca, gateway.certificate, gateway.token())


def test_registering_again_removes_what_is_not_given():
    """A gateway that has no certificates any more leaves none."""
    registered()
    gateway = registered(auth_mode="oidc", ca=None, certificate=None, key=None, token="secret")
    assert (None, None, None, "secret") == (gateway.ca, gateway.certificate, gateway.key, gateway.token())


def test_a_token_is_sent_only_where_the_mode_says_so(folder):
    """A token that lies beside a gateway of another mode is not read."""
    registered()
    (folder / "gateways/local/oidc_token.json").write_text('{"access_token": "old"}')
    assert configuration.load("local").token() is None


def test_selecting_and_removing():
    """The active gateway is the one selected last; removing it leaves none active."""
    registered("one")
    registered("two")
    configuration.select("two")
    assert ("two", ["one", "two"], "two") == (
        configuration.active(),
        configuration.names(),
        meant().name,
    )
    configuration.remove("two")
    assert (None, ["one"]) == (configuration.active(), configuration.names())


def test_another_users_folder_is_none_of_ours(monkeypatch):
    """Somebody else's environment came along: nothing is configured, and commands work with this machine's records."""
    monkeypatch.setattr("pyopenshell.gateway.configured_files.read", refused)
    monkeypatch.setattr(os, "access", lambda _path, _mode: False)
    assert configuration.active() is None
    monkeypatch.setattr(os, "access", lambda _path, _mode: True)
    with pytest.raises(StateError):
        configuration.active()


def refused(path):
    """Fail as for a file that may not be read."""
    try:
        raise PermissionError(13, "Permission denied")
    except PermissionError as error:
        raise StateError(f"cannot read {path}") from error


def test_which_gateway_is_meant(monkeypatch):
    """The option wins over the variable, that over the active one; an address replaces only the address."""
    for name in ("a", "b", "c"):
        registered(name)
    configuration.select("a")
    monkeypatch.setenv("OPENSHELL_GATEWAY", "b")
    assert ("b", "c") == (meant().name, meant("c").name)
    monkeypatch.setenv("OPENSHELL_GATEWAY_ENDPOINT", "https://h:1")
    by_variable, by_option = meant(), meant(endpoint="https://h:2", insecure=True)
    assert ("b", "https://h:1", False) == (by_variable.name, str(by_variable.endpoint), by_variable.insecure)
    assert ("b", "https://h:2", True) == (by_option.name, str(by_option.endpoint), by_option.insecure)
    assert by_variable.key is not None


def test_an_address_alone_takes_the_files_registered_with_it(folder):
    """--gateway-endpoint without a name finds the gateway that has this address; else there are no files."""
    registered("broken")
    (folder / "gateways/broken/metadata.json").write_text("{")
    registered("one")
    assert "one" == meant(endpoint=ADDRESS).name
    other = meant(endpoint="https://other:1")
    assert (None, None, Endpoint("https", "other", 1)) == (other.name, other.ca, other.endpoint)


def test_a_token_lies_beside_a_socket(tmp_path):
    """The token of a gateway that is spoken to through its socket is the one in the socket's folder."""
    gateway = meant(endpoint=f"unix:{tmp_path}/gateway.sock")
    assert gateway.token() is None
    (tmp_path / "token").write_text("secret\n")
    assert "secret" == gateway.token()


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "/", "-a", ".a", "a" * 64, "a\n", "ü", "a\0"])
@pytest.mark.parametrize("call", [configuration.load, configuration.remove, configuration.select, registered])
def test_no_name_leads_out_of_the_folder(name, call, folder):
    """Names that are paths, options or hidden files are refused everywhere, and nothing is made."""
    with pytest.raises(UsageError):
        call(name)
    assert not folder.exists()


@pytest.mark.parametrize("call", [configuration.load, configuration.remove, configuration.select, configuration.chosen])
def test_a_gateway_that_nobody_registered(call):
    """It is said which there are, and the exit code is that of a name that is not there."""
    registered("one")
    with pytest.raises(OpenShellError, match="no gateway is called 'two'") as refused:
        call("two")
    assert ("gateway.unknown", 3) == (refused.value.code, refused.value.exit_code)
    assert "one" in str(refused.value.hint)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"gateway_endpoint": 1}', '{"gateway_endpoint": "x"}', "[" * 9999]
)
def test_metadata_that_are_damaged(folder, text):
    """A file that is no metadata is named in one clear error."""
    registered()
    (folder / "gateways/local/metadata.json").write_text(text)
    with pytest.raises(StateError, match=r"metadata\.json"):
        configuration.load("local")


@pytest.mark.parametrize("data", [b"\xff\xff", b"../x", b"a" * (2 << 20)])
def test_an_active_gateway_that_is_damaged(folder, data):
    """A name that is none is not followed, and the file is named."""
    folder.mkdir()
    (folder / "active_gateway").write_bytes(data)
    with pytest.raises(StateError, match="active_gateway"):
        meant()


def test_a_fifo_in_place_of_a_file_holds_nobody(folder):
    """A FIFO is read as an empty file."""
    folder.mkdir()
    os.mkfifo(folder / "active_gateway")
    assert configuration.active() is None


def test_the_last_sandbox():
    """What was used last is remembered, and forgotten."""
    configuration.remember_sandbox("demo")
    assert "demo" == configuration.last_sandbox()
    configuration.remember_sandbox(None)
    assert configuration.last_sandbox() is None


def test_a_folder_that_others_may_write_is_closed_to_them(folder):
    """A folder made under a lax umask is taken, and its mode mended before something is written."""
    folder.mkdir()
    folder.chmod(0o777)
    configuration.remember_sandbox("demo")
    assert 0o755 == folder.stat().st_mode & 0o777


def test_a_folder_that_is_a_link_is_followed_and_left_alone(folder, tmp_path):
    """A configuration folder that lies elsewhere is used there, and keeps its mode."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere").chmod(0o1777)
    folder.symlink_to(tmp_path / "elsewhere")
    configuration.remember_sandbox("demo")
    assert ("demo\n", 0o1777) == ((tmp_path / "elsewhere/last_sandbox").read_text(), folder.stat().st_mode & 0o7777)


def test_a_folder_that_cannot_be_made(folder):
    """A file in the place of the folder gives one clear error."""
    folder.write_text("")
    with pytest.raises(StateError, match="cannot use the configuration folder"):
        registered()
