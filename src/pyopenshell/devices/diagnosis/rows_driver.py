"""NVIDIA's driver: its kernel module, NVML (what nvidia-smi uses), and the GPU itself."""

from __future__ import annotations

from pyopenshell.devices.diagnosis.row import CERTAIN, LIKELY, POSSIBLE, Row

LOAD = "Load it: sudo modprobe nvidia && sudo nvidia-modprobe -c 0 -u"
WHY = "Where that fails, read why: sudo dmesg | grep -i -e nvrm -e nvidia"

ROWS: tuple[Row, ...] = (
    Row(
        "driver.not-loaded",
        ("nvml error: driver not loaded", "failed to initialize NVML: Driver Not Loaded"),
        "nvidia-container-cli, nvidia-ctk",
        "The libraries of the driver are there and its kernel module is not loaded.",
        (
            LOAD,
            "After a new kernel, build it for that: sudo dkms autoinstall (or install the driver's package again)",
            WHY,
            "Where the module is there and nouveau holds the GPU, blacklist nouveau and reboot",
        ),
        "NVIDIA/nvidia-container-toolkit#1269",
        CERTAIN,
        "driver",
    ),
    Row(
        "driver.version-mismatch",
        ("driver/library version mismatch", "NVRM: API mismatch:"),
        "nvidia-smi, nvidia-container-cli, the kernel's log",
        "The libraries and the kernel module of the driver have different versions: it was upgraded, and the old"
        " module still runs. In a container: the image brings libraries of its own.",
        (
            "Compare: cat /proc/driver/nvidia/version; modinfo -F version nvidia; ldconfig -p | grep libnvidia-ml",
            "Reboot, or unload the old module when nothing uses it: sudo rmmod nvidia_uvm nvidia_drm nvidia_modeset"
            " nvidia && sudo modprobe nvidia",
            "Then write the CDI spec again: sudo nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml",
            "Keep it from happening: hold the driver's packages back from automatic upgrades",
        ),
        "NVIDIA/nvidia-container-toolkit#394, NVIDIA/k8s-device-plugin#1431, stackhpc/ansible-slurm-appliance#287",
        CERTAIN,
        about=("nvml", "nvidia", "nvrm", "cuda"),
    ),
    Row(
        "driver.smi-failed",
        ("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver",),
        "nvidia-smi",
        "nvidia-smi is installed and no NVIDIA kernel module answers: it is not loaded, or not built for this kernel.",
        (LOAD, "See whether it is built for this kernel: dkms status; uname -r", WHY),
        "CachyOS/linux-cachyos#118, NVIDIA/nvidia-docker#291",
        CERTAIN,
        "driver",
    ),
    Row(
        "driver.module-missing",
        ("modprobe: FATAL: Module nvidia not found",),
        "modprobe",
        "There is no NVIDIA module for the kernel that runs: the kernel was upgraded and the module not built for it,"
        " or only the driver's libraries were installed.",
        (
            "See what is built: dkms status; ls /lib/modules/$(uname -r)",
            "Install the kernel's headers, then: sudo dkms autoinstall",
            "Or install the driver's package again",
        ),
        "NVIDIA/nvidia-docker#291",
        CERTAIN,
    ),
    Row(
        "driver.module-rejected",
        (
            "could not insert 'nvidia … Key was rejected by service",
            "could not insert 'nvidia … Required key not available",
        ),
        "modprobe",
        "Secure Boot is on, and the module is not signed by a key that this machine trusts.",
        (
            "See: mokutil --sb-state",
            "Enrol the key that DKMS signs with: sudo mokutil --import /var/lib/dkms/mok.pub, then reboot and confirm",
            "Or install a driver package that the distribution signed",
        ),
        "lolo101/px1800kbd#10, hhfeuer/nvhda#8 (with other modules), NVIDIA/gpu-driver-container#44",
        CERTAIN,
    ),
    Row(
        "driver.probe-taken",
        ("NVRM: The NVIDIA probe routine was not called for",),
        "the kernel's log",
        "Another driver holds the GPU: nouveau, or vfio-pci for a virtual machine.",
        (
            "See which: lspci -nnk | grep -A3 -i nvidia",
            "Keep nouveau away: echo blacklist nouveau | sudo tee /etc/modprobe.d/nouveau.conf, make the initramfs"
            " again, reboot",
        ),
        "mattshma/bigdata#133",
        CERTAIN,
    ),
    Row(
        "driver.adapter-failed",
        ("RmInitAdapter failed!",),
        "the kernel's log",
        "The module is loaded and could not start this GPU: firmware (GSP) and module do not fit, the open module does"
        " not know the GPU, a virtual machine hides part of it, or the hardware is at fault.",
        (
            "Install the newest driver of the branch; for GPUs before Turing the proprietary module, from Blackwell on"
            " the open one",
            "In the machine's setup: Above 4G Decoding and Resizable BAR on",
            "Switch the machine off and on again (not only a reboot), and try the GPU in another slot",
        ),
        "NVIDIA/open-gpu-kernel-modules#326, NVIDIA/open-gpu-kernel-modules#862, NVIDIA/cuda-samples#104",
    ),
    Row(
        "driver.gpu-lost",
        (
            "GPU has fallen off the bus",
            "fallen off the bus and is not responding to commands",
            "nvml: GPU is lost",
            "ERROR_GPU_IS_LOST",
            "GPU is lost. Reboot the system to recover this GPU",
            "Unable to determine the device handle for GPU … : GPU is lost",
        ),
        "the kernel's log, NVML",
        "The GPU does not answer any more (Xid 79): it lost power, overheated, or its slot, cable or board is at"
        " fault. Until it is reset nothing can use it.",
        (
            "Take work off this machine, then switch it off and on again",
            "Look at temperature and power before it happens again: nvidia-smi -q -d TEMPERATURE,POWER",
            "Seat the board and its power cables anew; update the firmware; where it stays, have it replaced",
        ),
        "NVIDIA/NVSentinel#155, NVIDIA/open-gpu-kernel-modules#507, kubernetes/kubernetes#97131,"
        " JosephKJ/OWOD#81, AlexeyAB/darknet#86",
        CERTAIN,
        about=("nvrm", "nvml", "xid", "nvidia", "Reboot the system to recover", "ERROR_GPU_IS_LOST"),
        unless=("fallen off the bus: 0",),
    ),
    Row(
        "driver.no-handle",
        ("Unable to determine the device handle for GPU",),
        "nvidia-smi",
        "The driver knows this GPU and gets no answer from it: it fell off the bus, did not come out of a reset or a"
        " suspend, or an error of its own (Xid) stopped it.",
        (
            "Read what the kernel says of it: sudo dmesg | grep -i -e xid -e nvrm",
            "Reset it where nothing uses it: sudo nvidia-smi --gpu-reset -i NUMBER; else reboot",
            "Where it comes again, look at power, temperature and the slot: nvidia-smi -q -d TEMPERATURE,POWER",
        ),
        "NVIDIA/open-gpu-kernel-modules#387, NVIDIA/nvidia-docker#1553, NVIDIA/dcgm-exporter#604",
        LIKELY,
        "driver",
    ),
    Row(
        "nvml.no-devices",
        ("No devices were found",),
        "nvidia-smi",
        "Where nvidia-smi says this, the driver runs and no GPU starts: its firmware or memory window is refused (the"
        " kernel's log has RmInitAdapter), a virtual machine hides part of it, or this container was given the control"
        " nodes alone.",
        (
            "Read what the kernel says: sudo dmesg | grep -i nvrm",
            "In a container: ls -l /dev/nvidia[0-9]*, and ask for the GPU by name: --device nvidia.com/gpu=all",
            "In the machine's setup: Above 4G Decoding and Resizable BAR on; from Blackwell on, the open kernel module",
        ),
        "NVIDIA/open-gpu-kernel-modules#862, JackHack96/dell-xps-9570-ubuntu-respin#125",
        POSSIBLE,
        "driver",
    ),
    Row(
        "driver.xid",
        ("NVRM: Xid (PCI:", "XidCriticalError: Xid="),
        "the kernel's log, nvidia-device-plugin",
        "The driver reported an error of a GPU; its number (Xid) says which. 13, 31, 43 and 45 are most often the"
        " program's own doing; 48, 63, 64, 94 and 95 are errors of memory, 74 of NVLink, 79 a lost GPU, 119 and 120 of"
        " the GPU's firmware.",
        (
            "Look the number up in NVIDIA's list: docs.nvidia.com/deploy/xid-errors",
            "See which program: the line names its pid; after 13 and 31, run it under compute-sanitizer",
            "After errors of memory: nvidia-smi -q -d ECC,ROW_REMAPPER, then sudo nvidia-smi --gpu-reset -i NUMBER (or"
            " reboot)",
            "Kubernetes' device plugin keeps such a GPU out until it is restarted itself",
        ),
        "akash-network/support#244, NVIDIA/k8s-device-plugin#1340, NVIDIA/k8s-device-plugin#259",
        POSSIBLE,
    ),
    Row(
        "nvml.unknown-error",
        ("Failed to initialize NVML: Unknown Error",),
        "nvidia-smi in a container that ran for a while",
        "The container may not open its GPU any more: systemd reloaded its units and wrote the control group's device"
        " rules anew, without those that the hook had added.",
        (
            "Start the container again",
            "For good: give the devices by CDI (--device nvidia.com/gpu=all), so that the engine knows them",
            "Or have systemd know the nodes: sudo nvidia-ctk system create-dev-char-symlinks --create-all",
            'Or let Docker manage control groups itself: "exec-opts": ["native.cgroupdriver=cgroupfs"]',
        ),
        "NVIDIA/nvidia-container-toolkit#48, NVIDIA/nvidia-container-toolkit#251",
    ),
    Row(
        "nvml.permission",
        (
            "Failed to initialize NVML: Insufficient Permissions",
            "nvml error: insufficient permissions",
            "NVMLError_NoPermission",
        ),
        "nvidia-smi, nvidia-container-cli, pynvml",
        "The GPU's device nodes are there and may not be opened: their modes (NVreg_DeviceFileMode) keep this user"
        " out, SELinux or a sandbox denies them, or the daemon nvidia-persistenced cannot be reached where it runs.",
        (
            "See modes and groups: ls -lZ /dev/nvidia*; id",
            "SELinux: sudo setsebool -P container_use_devices 1, or --security-opt label=disable for one container",
            "A group that owns them (openSUSE: video): podman run --group-add keep-groups …",
            "In a sandbox of ours: ask for the GPU (openshell run --gpu …), and openshell why /dev/nvidiactl --gpu",
        ),
        "NVIDIA/nvidia-container-toolkit#33, NVIDIA/nvidia-container-toolkit#210, containerd/containerd#6042",
        refine="node",
    ),
)
