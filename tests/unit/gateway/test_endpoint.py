"""Addresses of gateways: what is one, how it is written, and which are on this host for sure."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyopenshell.errors import UsageError
from pyopenshell.gateway.endpoint import Endpoint


@pytest.mark.parametrize(
    ("text", "written", "target", "loopback"),
    [
        ("https://127.0.0.1:17670", "https://127.0.0.1:17670", "127.0.0.1:17670", True),
        ("https://Example.com/", "https://example.com:443", "example.com:443", False),
        ("http://localhost", "http://localhost:80", "localhost:80", True),
        ("https://[::1]:5", "https://[::1]:5", "[::1]:5", True),
        ("http://10.0.0.1:5", "http://10.0.0.1:5", "10.0.0.1:5", False),
        ("https://localhost.evil.example:5", "https://localhost.evil.example:5", "localhost.evil.example:5", False),
        ("unix:/run/g.sock", "unix:/run/g.sock", "unix:/run/g.sock", True),
        ("unix:///run/g.sock", "unix:/run/g.sock", "unix:/run/g.sock", True),
    ],
)
def test_addresses(text, written, target, loopback):
    """An address is written in one way, and reads the same again."""
    endpoint = Endpoint.parse(text)
    assert (written, target, loopback) == (str(endpoint), endpoint.target, endpoint.loopback)
    assert endpoint == Endpoint.parse(written)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "127.0.0.1:17670",
        "ftp://a",
        "https://",
        "https://:5",
        "https://a:0",
        "https://a:65536",
        "https://a:x",
        "https://me@a",
        "https://a/path",
        "https://a?q",
        "https://a#f",
        "https://a b",
        "https://a\n",
        "https://ü",
        "https://[::1",
        "https://%61",
        "unix:relative",
        "unix:",
        "unix:/" + "a" * 107,
        "unix:/a\0b",
    ],
)
def test_what_is_no_address(text):
    """Whatever is no address is refused, and the message says what is wrong."""
    with pytest.raises(UsageError, match="is not a gateway's address: ") as refused:
        Endpoint.parse(text)
    assert "gateway.endpoint" == refused.value.code


@given(st.text(max_size=80) | st.from_regex(r"https?://[^/]{0,20}(:\d{0,6})?", fullmatch=True))
def test_any_text_is_an_address_or_refused(text):
    """Nothing but UsageError comes of any text; what is taken reads the same again."""
    try:
        endpoint = Endpoint.parse(text)
    except UsageError:
        return
    assert endpoint == Endpoint.parse(str(endpoint))
