"""From the tree of a spec file to a Spec, held against the CDI specification as engines hold it (versions 0.3 to 1.1).

Every mistake is found in one pass. What engines do not check and no process can use, such as a relative path, is a
fault too.
"""

from __future__ import annotations

from pyopenshell.devices.cdi import fields as read
from pyopenshell.devices.cdi import names, values, versions
from pyopenshell.devices.cdi.edits import EDITS, EditsReader
from pyopenshell.devices.cdi.model import CdiDevice, Edits, Spec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyopenshell.devices.cdi.document import Node, Note

SPEC = frozenset(("cdiVersion", "kind", "annotations", "devices", "containerEdits"))
OWN = SPEC - {"kind", "annotations"}
"""Fields that tell a spec from other files, such as manifests of Kubernetes."""
DEVICE = frozenset(("name", "annotations", "containerEdits"))


def build(root: Node, file: str, priority: int, note: Note) -> Spec:
    """Return the spec that the tree holds, as far as it is right; mistakes are noted."""
    return _Reader(note).spec(root, file, priority)


class _Reader(EditsReader):
    """Reads one spec."""

    def spec(self, root: Node, file: str, priority: int) -> Spec:
        """Read the whole file."""
        fields = read.mapping(root, SPEC, "a spec", self.note)
        if root.kind != "mapping":
            return Spec(file, "", "", (), priority=priority)
        kind = self.kind(fields, root)
        edits = self.edits(fields["containerEdits"]) if "containerEdits" in fields else Edits()
        self.annotations(fields, "the spec")
        listed = fields.get("devices")
        found = [] if listed is None else read.sequence(listed, "devices", self.note)
        devices = self.devices(found)
        if not found and not _unknown(root, SPEC):
            place = root if listed is None else listed
            self.note("no-devices", "the spec has no devices", None, *place.key)
        version = self.version(fields, root)
        return Spec(file, version, kind, devices, edits, priority)

    def version(self, fields: dict[str, Node], root: Node) -> str:
        """Read the version, and hold what was used against it."""
        version = read.required(fields, "cdiVersion", "a spec", self.note, root).removeprefix("v")
        if not version:
            return ""
        place = fields["cdiVersion"]
        # The newest of what is used decides, as in engines: to mend one part after the other would end there too.
        newest = max(self.used, key=lambda feature: versions.VERSIONS.index(feature[0]), default=versions.ANY)
        needed, what = newest
        if version in versions.UNREAD:
            message = f"engines do not read version {version}: the first that they read is {versions.VERSIONS[0]}"
            self.note("version-too-old", message, f"write cdiVersion: {needed}", place.line, place.column)
            return version
        if version not in versions.VERSIONS:
            mend = f"write one of {', '.join(versions.since(needed))}"
            message = f"there is no version {names.show(version)}"
            self.note("invalid-version", message, mend, place.line, place.column)
            return version
        if versions.older(version, needed):
            message = f"{what} needs version {needed}, and the spec says {version}"
            self.note("version-too-old", message, f"write cdiVersion: {needed}", *self.used[newest])
        if not versions.older(version, versions.UNTIL):
            for what, where in self.removed.items():
                self.note("version-too-new", f"{what} is not part of version {version}", None, *where)
        return version

    def kind(self, fields: dict[str, Node], root: Node) -> str:
        """Read vendor and class."""
        kind = read.required(fields, "kind", "a spec", self.note, root)
        if not kind:
            return ""
        wrong, node = names.wrong_kind(kind), fields["kind"]
        if wrong:
            self.note("bad-kind", f"kind {names.show(kind)}: {wrong}", None, node.line, node.column)
        elif "." in kind.partition("/")[2]:
            self.uses(versions.DOTTED_CLASS, node)
        return kind

    def annotations(self, fields: dict[str, Node], what: str) -> None:
        """Check annotations; nothing is done with them."""
        node = fields.get("annotations")
        if node is None or node.kind == "null":
            return
        if node.kind != "mapping":
            self.note("wrong-type", f"annotations of {what} are no mapping", "write KEY: VALUE", node.line, node.column)
            return
        for key, value in node.value.items():
            self.uses(versions.ANNOTATIONS, node)
            read.string(value, f"annotation {names.show(key)}", self.note)
            if wrong := values.wrong_annotation(key):
                self.note("bad-annotation", f"annotation {names.show(key)}: {wrong}", None, *value.key)

    def devices(self, found: list[Node]) -> tuple[CdiDevice, ...]:
        """Read the devices, each name once."""
        devices: list[CdiDevice] = []
        lines: dict[str, int] = {}
        for node in found:
            fields = read.mapping(node, DEVICE, "a device", self.note)
            if node.kind == "null":
                self.note("empty-device", "a device that is null", None, node.line, node.column)
            if node.kind != "mapping":
                continue
            name = read.required(fields, "name", "a device", self.note, node)
            if name:
                self.device_name(name, fields["name"], lines)
            self.annotations(fields, "a device")
            written = fields.get("containerEdits")
            edits = Edits() if written is None else self.edits(written)
            if edits == _NOTHING.replace(line=edits.line) and not _unknown(written, EDITS):
                message = f"device {names.show(name)} has no container edits"
                self.note("empty-device", message, None, node.line, node.column)
            devices.append(CdiDevice(name, edits, node.line))
        return tuple(devices)

    def device_name(self, name: str, node: Node, lines: dict[str, int]) -> None:
        """Check the name of a device, and that it is the first of that name."""
        line, column = node.line, node.column
        if wrong := names.wrong_device(name):
            mend = f"write {names.split(name)[1]}" if "=" in name else None
            self.note("bad-device-name", f"device name {names.show(name)}: {wrong}", mend, line, column)
        elif name[0] not in names.LETTERS:
            self.uses(versions.DIGIT_FIRST, node)
        if names.without_permissions(name):
            message = f"device name {names.show(name)} ends like permissions, and names have none: they are part of it"
            self.note("name-permissions", message, None, line, column)
        if name in lines:
            message = f"device {names.show(name)} is already on line {lines[name]}"
            self.note("duplicate-device", message, None, line, column)
        lines.setdefault(name, line)


_NOTHING = Edits()


def _unknown(node: Node | None, known: frozenset[str]) -> bool:
    """Whether a mapping has fields that CDI does not: a fault already, and what was meant is then not missing."""
    return node is not None and node.kind == "mapping" and not known.issuperset(node.value)
