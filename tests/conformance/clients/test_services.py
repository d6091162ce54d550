"""Exposed services, asked for by the SDK: where they lead, and that they stay where they are."""

import time
import urllib.error
import urllib.request

import pytest

from tests.conformance.clients.environments import ENVIRONMENTS

SECONDS = 20


@pytest.fixture
def urls(gateway):
    """The addresses of a sandbox's services."""
    told = gateway.client(ENVIRONMENTS["openshell"], "services.py")["created"]
    assert told["value"], told["error"]
    return told["value"]


def fetched(url):
    """Return the status and the text of an answer."""
    try:
        with urllib.request.urlopen(f"{url}/index.html", timeout=SECONDS) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def served(url):
    """Return what is fetched once the program in the sandbox listens."""
    end = time.monotonic() + SECONDS
    while (found := fetched(url))[0] == 502 and time.monotonic() < end:
        time.sleep(0.1)
    return found


def test_services(gateway, urls):
    """They lead to the program; are where they were after a crash; and say why there is no answer."""
    inside = (200, "from inside\n")
    assert inside == served(urls[""])
    assert (502, "the program in the sandbox cannot be reached: Connection refused\n") == fetched(urls["nobody"])
    gateway.crash()
    assert inside == fetched(urls[""])
    assert 0 == gateway.run("sandbox", "stop", "web").returncode
    assert (503, "sandbox web does not run: it is stopped\n") == fetched(urls[""])
    assert 0 == gateway.run("sandbox", "start", "web").returncode
    assert inside == served(urls[""])
    assert 0 == gateway.run("sandbox", "delete", "web").returncode
    with pytest.raises(urllib.error.URLError):
        fetched(urls[""])
