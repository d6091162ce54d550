"""From the tree of container edits to Edits, held against the CDI specification as engines hold it."""

from __future__ import annotations

from pyopenshell.devices.cdi import fields as read
from pyopenshell.devices.cdi import names, values, versions
from pyopenshell.devices.cdi.model import DeviceNode, Edits, Hook, Mount

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyopenshell.devices.cdi.document import Node, Note

EDITS = frozenset(("env", "deviceNodes", "netDevices", "mounts", "hooks", "additionalGids", "intelRdt"))
NODE = frozenset(("path", "hostPath", "type", "major", "minor", "fileMode", "permissions", "uid", "gid"))
MOUNT = frozenset(("hostPath", "containerPath", "options", "type"))
HOOK = frozenset(("hookName", "path", "args", "env", "timeout"))
RDT = frozenset(("closID", "l3CacheSchema", "memBwSchema", "schemata", "enableMonitoring", "enableCMT", "enableMBM"))
NET_DEVICE = frozenset(("hostInterfaceName", "name"))

MAX_ID = (1 << 32) - 1
"""The largest uid or gid that a spec can hold."""
MAX_MAJOR, MAX_MINOR = (1 << 12) - 1, (1 << 20) - 1
"""The largest device numbers of Linux (include/linux/kdev_t.h)."""


class EditsReader:
    """Reads the edits of one spec.

    ``used`` holds the features met (``versions``), ``removed`` those that versions dropped, each with its first place.
    """

    def __init__(self, note: Note) -> None:
        """Take where mistakes go."""
        self.note = note
        self.used: dict[tuple[str, str], tuple[int, int]] = {}
        self.removed: dict[str, tuple[int, int]] = {}

    def uses(self, feature: tuple[str, str], node: Node) -> None:
        """Remember where a feature is first used."""
        self.used.setdefault(feature, node.key)

    def edits(self, node: Node) -> Edits:
        """Read the edits of a device, or of all devices."""
        note = self.note
        fields = read.mapping(node, EDITS, "containerEdits", note)
        if "netDevices" in fields:
            self.net_devices(fields["netDevices"])
        if "intelRdt" in fields and fields["intelRdt"].kind != "null":
            self.rdt(fields["intelRdt"])
        return Edits(
            env=self.env(fields, "containerEdits"),
            device_nodes=tuple(self.node(item) for item in self.items(fields, "deviceNodes")),
            mounts=tuple(self.mount(item) for item in self.items(fields, "mounts")),
            hooks=tuple(self.hook(item) for item in self.items(fields, "hooks")),
            groups=self.groups(fields),
            other=tuple(name for name in ("intelRdt", "netDevices") if name in fields and _counts(fields[name])),
            line=node.key[0],
        )

    def items(self, fields: dict[str, Node], name: str) -> list[Node]:
        """Return the mappings of a list."""
        if name not in fields:
            return []
        items = read.sequence(fields[name], name, self.note)
        for item in items:
            if item.kind == "null":
                self.note("wrong-type", f"null in {name}", "remove it", item.line, item.column)
        return [item for item in items if item.kind != "null"]

    def env(self, fields: dict[str, Node], what: str) -> tuple[str, ...]:
        """Read environment variables."""
        texts = read.texts(fields, "env", what, self.note)
        for index, text in enumerate(texts):
            if text.find("=") <= 0:
                node = fields["env"].value[index]
                message = f"environment variable {names.show(text)} of {what} has no name and '='"
                self.note("bad-env", message, None, node.line, node.column)
        return texts

    def node(self, item: Node) -> DeviceNode:
        """Read a device node."""
        note, what = self.note, "a device node"
        fields = read.mapping(item, NODE, what, note)
        if item.kind != "mapping":
            return DeviceNode("", "", line=item.line)
        path = self.path(fields, "path", what, item, required=True)
        host_path = self.path(fields, "hostPath", what, item) or path
        if "hostPath" in fields and fields["hostPath"].text:
            self.uses(versions.HOST_PATH, fields["hostPath"])
        kind = read.text(fields, "type", what, note)
        if kind and kind not in values.TYPES:
            place = fields["type"]
            note("bad-type", f"{what} has the type {names.show(kind)}", None, place.line, place.column)
        major = read.integer(fields, "major", what, note, low=0, high=MAX_MAJOR)
        minor = read.integer(fields, "minor", what, note, low=0, high=MAX_MINOR)
        read.integer(fields, "fileMode", what, note, low=0, high=MAX_ID)
        for name in ("uid", "gid"):
            read.integer(fields, name, what, note, low=0, high=MAX_ID)
        # A major number of 0 is an absent one to engines, and the host then says both.
        minor = (minor or 0) if major else None
        return DeviceNode(path, host_path, self.permissions(fields), kind, major or None, minor, item.line)

    def permissions(self, fields: dict[str, Node]) -> str:
        """Read the permissions of a device node: all where none are named, ``none`` is none."""
        letters = read.text(fields, "permissions", "a device node", self.note)
        if not letters:
            return "rwm"
        node = fields["permissions"]
        if letters == "none":
            self.note("permissions-none", "older engines refuse permissions: none", None, node.line, node.column)
            return ""
        if not names.PERMISSIONS.issuperset(letters):
            message = f"permissions {names.show(letters)} of a device node"
            self.note("bad-permissions", message, None, node.line, node.column)
        return "".join(letter for letter in "rwm" if letter in letters)

    def mount(self, item: Node) -> Mount:
        """Read a mount. What is mounted is a path only where it is bound."""
        note, what = self.note, "a mount"
        fields = read.mapping(item, MOUNT, what, note)
        if item.kind != "mapping":
            return Mount("", "", line=item.line)
        kind = read.text(fields, "type", what, note)
        if kind:
            self.uses(versions.MOUNT_TYPE, fields["type"])
        options = read.texts(fields, "options", what, note)
        if values.is_bind(kind, options):
            host_path = self.path(fields, "hostPath", what, item, required=True)
        else:
            host_path = read.required(fields, "hostPath", what, note, item)
        container_path = self.path(fields, "containerPath", what, item, required=True)
        return Mount(host_path, container_path, options, kind, item.line)

    def hook(self, item: Node) -> Hook:
        """Read a hook."""
        note, what = self.note, "a hook"
        fields = read.mapping(item, HOOK, what, note)
        if item.kind != "mapping":
            return Hook("", "", line=item.line)
        name = read.required(fields, "hookName", what, note, item)
        if name and name not in values.HOOKS:
            mend, place = values.hook_mend(name), fields["hookName"]
            note("bad-hook-name", f"no stage is called {names.show(name)}", mend, place.line, place.column)
        path = self.path(fields, "path", what, item, required=True)
        args = read.texts(fields, "args", what, note)
        env = self.env(fields, what)
        timeout = read.integer(fields, "timeout", what, note, low=-(1 << 63), high=(1 << 63) - 1)
        if timeout is not None and timeout <= 0:
            place = fields["timeout"]
            note("bad-timeout", f"the timeout of a hook is {timeout}", None, place.line, place.column)
        return Hook(name, path, args, env, timeout, item.line)

    def path(self, fields: dict[str, Node], name: str, what: str, owner: Node, *, required: bool = False) -> str:
        """Read a path, which must be absolute."""
        if required:
            path = read.required(fields, name, what, self.note, owner)
        else:
            path = read.text(fields, name, what, self.note)
        if path and (wrong := values.wrong_path(path)):
            node = fields[name]
            self.note("bad-path", f"{name} {names.show(path)} of {what} {wrong}", None, node.line, node.column)
        return path

    def groups(self, fields: dict[str, Node]) -> tuple[int, ...]:
        """Read additional groups. 0 is passed over, as the specification says."""
        node = fields.get("additionalGids")
        if node is None:
            return ()
        groups = []
        for item in read.sequence(node, "additionalGids", self.note):
            self.uses(versions.GIDS, node)
            group = read.integer({"group": item}, "group", "additionalGids", self.note, low=0, high=MAX_ID)
            if group:
                groups.append(group)
        return tuple(groups)

    def rdt(self, node: Node) -> None:
        """Check settings of Intel's RDT; nothing is done with them."""
        note, what = self.note, "intelRdt"
        self.uses(versions.INTEL_RDT, node)
        fields = read.mapping(node, RDT, what, note)
        for name in ("l3CacheSchema", "memBwSchema"):
            read.text(fields, name, what, note)
        for name, feature in (("schemata", versions.SCHEMATA), ("enableMonitoring", versions.MONITORING)):
            if name in fields:
                self.uses(feature, fields[name])
        read.texts(fields, "schemata", what, note)
        read.boolean(fields, "enableMonitoring", what, note)
        for name, removed in (("enableCMT", versions.CMT), ("enableMBM", versions.MBM)):
            if name in fields:
                self.removed.setdefault(removed, fields[name].key)
            read.boolean(fields, name, what, note)
        if wrong := values.wrong_closid(read.text(fields, "closID", what, note)):
            place = fields["closID"]
            note("bad-intel-rdt", f"closID of intelRdt {wrong}", None, place.line, place.column)

    def net_devices(self, node: Node) -> None:
        """Check network devices: both names of each, each name once; nothing is done with them."""
        seen: dict[tuple[str, str], int] = {}
        for item in read.sequence(node, "netDevices", self.note):
            self.uses(versions.NET_DEVICES, node)
            fields = read.mapping(item, NET_DEVICE, "a network device", self.note)
            for name in sorted(NET_DEVICE):
                value = read.required(fields, name, "a network device", self.note, item)
                if value and (name, value) in seen:
                    message = f"{name} {names.show(value)} of a network device is already on line {seen[name, value]}"
                    self.note("bad-net-device", message, None, item.line, item.column)
                seen.setdefault((name, value), item.line)


def _counts(node: Node) -> bool:
    """Whether a part that means nothing to a process sandbox is there: a list counts where it is not empty."""
    return node.kind == "mapping" or (node.kind == "sequence" and bool(node.value))
