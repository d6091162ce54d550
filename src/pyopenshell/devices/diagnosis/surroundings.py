"""What of a host tells the causes of one message apart: CDI specs, devices, drivers, what engines are set to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyopenshell.record import Record

if TYPE_CHECKING:
    from pyopenshell.devices.cdi.fault import Fault
    from pyopenshell.devices.cdi.lookup import Conflict
    from pyopenshell.devices.cdi.registry import Folder
    from pyopenshell.devices.host import Device


class Setting(Record):
    """What a container engine of this host is set to.

    ``cdi`` is None where its files do not say, and ``said`` tells where they do; CDI is then on from the version
    ``default``. ``folders`` are those of specs, where they are set. ``unreadable`` are files that could not be read,
    ``invalid`` those with nonsense in them, and what is wrong.
    """

    engine: str
    program: str
    cdi: bool | None
    said: str
    default: str
    folders: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()
    invalid: tuple[tuple[str, str], ...] = ()


class Card(Record):
    """A GPU on the PCI bus, with a driver or without: its address and ``vendor``."""

    address: str
    vendor: str


class Surroundings(Record):
    """What a host showed.

    ``folders`` of CDI specs with how many files each holds, ``faults`` of these specs (also against this host),
    ``names`` that resolve; ``devices``, all GPU device nodes; the version of NVIDIA's ``driver`` that runs; ``cards``
    on the PCI bus; ``settings`` of the engines that are installed; ``conflicts``, devices that two specs define;
    ``kinds`` of specs that are refused, by their file, where they can be told.
    """

    folders: tuple[Folder, ...] = ()
    faults: tuple[Fault, ...] = ()
    names: tuple[str, ...] = ()
    devices: tuple[Device, ...] = ()
    driver: str | None = None
    cards: tuple[Card, ...] = ()
    settings: tuple[Setting, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    kinds: tuple[tuple[str, str], ...] = ()
