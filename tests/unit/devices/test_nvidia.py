"""What is read of NVIDIA's driver in /proc: its own wordings, and anything else instead."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyopenshell.devices import nvidia
from pyopenshell.devices.gpu import Mig
from pyopenshell.devices.nvidia import Card
from tests.unit.devices.hosts import Host

UUID = "GPU-f35f8ed1-f2a1-2ae4-b9b1-d96fff2203d0"


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_no_driver(host: Host) -> None:
    """Where there is no driver, nothing is told and nothing fails."""
    assert ((), None, ()) == (nvidia.cards(str(host.proc)), nvidia.driver(*host.roots[1:]), instances(host))


def instances(host: Host, minor: int = 0) -> tuple[Mig, ...]:
    return nvidia.instances(minor, str(host.proc), "/dev")


def test_a_card(host: Host) -> None:
    """Every field that the driver prints of a GPU and that is of use."""
    host.card("0000:1a:00.0", 3, UUID, "NVIDIA H200")
    assert (Card("0000:1a:00.0", 3, UUID, "NVIDIA H200"),) == nvidia.cards(str(host.proc))


def test_cards_come_by_pci_address(host: Host) -> None:
    """By number, not by text: domains can have more than four digits, and a virtual machine's often do."""
    for minor, bus in enumerate(("10000:01:00.0", "2000:00:00.0", "0000:c1:00.0", "0000:0a:00.0", "0000:0a:00.1")):
        host.card(bus, minor)
    assert [3, 4, 2, 1, 0] == [card.minor for card in nvidia.cards(str(host.proc))]


@pytest.mark.parametrize("masked", ["GPU-????????-????-????-????-????????????", "????????", "", "GPU-", "N/A"])
def test_a_masked_uuid_is_none(host: Host, masked: str) -> None:
    """An ordinary user sees question marks until the driver has been started once."""
    host.card("0000:1a:00.0", 0, masked)
    assert [None] == [card.uuid for card in nvidia.cards(str(host.proc))]


def test_an_excluded_card_says_so(host: Host) -> None:
    """Its owner keeps the driver away from it."""
    host.card("0000:1a:00.0", 0, excluded="Yes")
    assert [True] == [card.excluded for card in nvidia.cards(str(host.proc))]


@pytest.mark.parametrize("minor", ["", "-1", "٣", "3a", "1048576", "9" * 5000, "0x1", " "])
def test_a_minor_number_that_is_none(host: Host, minor: str) -> None:
    """Only ASCII digits make a number, and only one that Linux can have."""
    host.card("0000:1a:00.0", minor)
    assert [None] == [card.minor for card in nvidia.cards(str(host.proc))]


@pytest.mark.parametrize(
    ("line", "version"),
    [
        ("NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.129.03  Tue Oct 31 19:57:38 UTC 2023", "535.129.03"),
        ("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.95.05  Release Build  (a@b)", "580.95.05"),
        ("NVRM version: NVIDIA UNIX Open Kernel Module for aarch64  59", None),
        ("NVRM version: NVIDIA UNIX x86_64 Kernel Module", None),
        ("GCC version:  gcc version 11.4.0 (Ubuntu)", None),
    ],
)
def test_the_driver_that_runs(host: Host, line: str, version: str | None) -> None:
    """The wordings of both kernel modules; the compiler's version in the same file is not the driver's."""
    host.text(host.proc / "driver/nvidia/version", f"{line}\nGCC version:  gcc version 11.4.0\n")
    assert version == nvidia.driver(*host.roots[1:])


def test_the_driver_that_the_module_tells(host: Host) -> None:
    """Where /proc does not say it, the module's own version does."""
    host.text(host.sys / "module/nvidia/version", "570.86.15\n")
    assert "570.86.15" == nvidia.driver(*host.roots[1:])


def test_instances_with_their_capabilities(host: Host) -> None:
    """Each compute instance is one, with the nodes of its GPU instance and its own, by number and not by text."""
    host.instance(0, 10, 0, (93, 94))
    host.instance(0, 2, 1, (21, 23))
    host.instance(0, 2, 0, (21, 22))
    host.instance(1, 1, 0, (150, 151))
    caps = "/dev/nvidia-caps/nvidia-cap"
    expected = (
        Mig(0, gpu_instance=2, compute_instance=0, nodes=(f"{caps}21", f"{caps}22")),
        Mig(1, gpu_instance=2, compute_instance=1, nodes=(f"{caps}21", f"{caps}23")),
        Mig(2, gpu_instance=10, compute_instance=0, nodes=(f"{caps}93", f"{caps}94")),
    )
    assert expected == instances(host)


def test_the_table_of_minors_gives_numbers_and_no_instances(host: Host) -> None:
    """It lists what there could be: where an instance's own file is silent it has the number, and nothing more."""
    host.text(host.proc / "driver/nvidia-caps/mig-minors", "config 1\ngpu0/gi1/access 12\ngpu0/gi1/ci0/access 13\n")
    assert () == instances(host)
    host.text(host.proc / "driver/nvidia/capabilities/gpu0/mig/gi1/ci0/access", "")
    caps = "/dev/nvidia-caps/nvidia-cap"
    assert (Mig(0, gpu_instance=1, compute_instance=0, nodes=(f"{caps}12", f"{caps}13")),) == instances(host)


def test_folders_and_pipes_instead_of_files(host: Host) -> None:
    """What is no file is not read, and is never waited for."""
    host.card("0000:1a:00.0", 0)
    path = host.proc / "driver/nvidia/gpus/0000:1a:00.0/information"
    path.unlink()
    os.mkfifo(path)
    (host.proc / "driver/nvidia/version").mkdir()
    assert ((Card("0000:1a:00.0"),), None) == (nvidia.cards(str(host.proc)), nvidia.driver(*host.roots[1:]))


def test_a_huge_file_is_read_in_part(host: Host) -> None:
    """A file without end costs no more than its beginning."""
    assert nvidia.MOST == len(nvidia.read("/dev/zero"))


@pytest.mark.parametrize(
    ("told", "address"),
    [("00000000:1A:00.0", "0000:1a:00.0"), ("0000:1A:00.0", "0000:1a:00.0"), ("00010000:01:00.0", "10000:01:00.0")],
)
def test_addresses_are_written_as_the_kernel_does(told: str, address: str) -> None:
    """NVML has eight digits of domain and capitals, the kernel four or more and none."""
    assert address == nvidia.bus(told)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=400), name=st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"])))
def test_no_content_is_too_odd(host: Host, data: bytes, name: str) -> None:
    """Whatever the files and folders hold, there is an answer, and its numbers are numbers."""
    for path in ("version", "gpus/0000:01:00.0/information", "capabilities/gpu0/mig/gi1/access"):
        host.text(host.proc / "driver/nvidia" / path, data)
    host.text(host.proc / "driver/nvidia-caps/mig-minors", data)
    try:
        (host.proc / "driver/nvidia/gpus" / name).mkdir(exist_ok=True)
        (host.proc / "driver/nvidia/capabilities/gpu0/mig/gi1" / name).mkdir(exist_ok=True)
    except OSError:
        pass  # a name that no file can have
    assert all(card.minor is None or 0 <= card.minor <= nvidia.LAST for card in nvidia.cards(str(host.proc)))
    assert all(mig.gpu_instance == 1 for mig in instances(host))
    nvidia.driver(*host.roots[1:])


@given(st.text())
def test_any_address_can_be_sorted(text: str) -> None:
    """Addresses come before whatever is none."""
    assert nvidia.place("ffff:ff:1f.7") < nvidia.place(text) or nvidia.place(text)[0] == 0
