"""GPUs that are not NVIDIA's own PCI cards under Linux: WSL2, Tegra, AMD."""

from __future__ import annotations

from pyopenshell.devices.diagnosis.row import CERTAIN, LIKELY, POSSIBLE, Row

ROWS: tuple[Row, ...] = (
    Row(
        "wsl.no-adapter",
        ("WSL environment detected but no adapters were found",),
        "nvidia-container-cli",
        "Under WSL no NVIDIA GPU is offered: it is WSL 1, the Windows driver is too old, or Windows has no such GPU.",
        (
            "In Windows: wsl -l -v (VERSION must be 2), then wsl --update and wsl --shutdown",
            "Install the NVIDIA driver in Windows, never in WSL",
            "In WSL: ls -l /dev/dxg; /usr/lib/wsl/lib/nvidia-smi",
        ),
        "NVIDIA/nvidia-container-toolkit#155, AbdBarho/stable-diffusion-webui-docker#117",
        CERTAIN,
    ),
    Row(
        "tegra.nvmap-denied",
        ("NvRmMemInitNvmap failed with Permission denied",),
        "programs on a Jetson",
        "This user may not open /dev/nvmap.",
        ("Add the user: sudo usermod -aG video,render $USER, then log in again", "In a container: --group-add video"),
        "anduril/jetpack-nixos#118",
        CERTAIN,
        "node",
    ),
    Row(
        "tegra.nvmap-missing",
        ("NvRmMemInitNvmap failed with No such file or directory",),
        "programs on a Jetson, in a container",
        "The container has no /dev/nvmap, or libraries of another JetPack than the host's.",
        (
            "Start it with the runtime: docker run --runtime nvidia …",
            "Use an image for the host's release: cat /etc/nv_tegra_release",
        ),
        "dusty-nv/jetson-containers#384",
        CERTAIN,
    ),
    Row(
        "amd.kfd-denied",
        (
            "Unable to open /dev/kfd read-write: Permission denied",
            "Unable to open /dev/kfd read-write: Operation not permitted",
        ),
        "rocminfo, ROCm programs",
        "This user may not open /dev/kfd: it belongs to the group render (video on older systems), or the container"
        " was not given it.",
        (
            "See: ls -ln /dev/kfd /dev/dri/renderD*; id",
            "Add the user: sudo usermod -aG render,video $USER, then log in again",
            "In a container: --device /dev/kfd --device /dev/dri --group-add NUMBER (the number that ls shows)",
        ),
        "ROCm/legacy-rocm-build#1211, ROCm/ROCm-docker#116",
        CERTAIN,
        "node",
    ),
    Row(
        "amd.kfd-missing",
        ("Unable to open /dev/kfd read-write: No such file or directory",),
        "rocminfo, ROCm programs",
        "There is no /dev/kfd here: the container was not given it, or the host's amdgpu driver offers no compute.",
        (
            "In a container: --device /dev/kfd --device /dev/dri (Apptainer: --rocm)",
            "On the host: ls -l /dev/kfd; sudo modprobe amdgpu; sudo dmesg | grep -i kfd",
        ),
        "ROCm/legacy-rocm-build#1798",
        CERTAIN,
        "node",
    ),
    Row(
        "amd.kfd-refused",
        (
            "Unable to open /dev/kfd read-write: Cannot allocate memory",
            "Unable to open /dev/kfd read-write: Invalid argument",
        ),
        "rocminfo",
        "The driver refuses compute: it does not support this GPU, or driver and ROCm do not fit each other.",
        (
            "Read what it says of the GPU: sudo dmesg | grep -i kfd",
            "Compare GPU, kernel and ROCm with AMD's table of supported systems",
        ),
        "ROCm/legacy-rocm-build#2232, ROCm/legacy-rocm-build#4043, ROCm/rocminfo#41",
        POSSIBLE,
    ),
    Row(
        "amd.module-missing",
        ("ROCk module is NOT loaded, possibly no GPU devices",),
        "rocminfo",
        "The kernel module amdgpu is not loaded, or rocminfo in a container cannot see that it is.",
        (
            "On the host: lsmod | grep amdgpu; sudo modprobe amdgpu; sudo dmesg | grep -i amdgpu",
            "In a container, install kmod and give it /sys/module; with WSL2 use AMD's packages for it",
        ),
        "ROCm/legacy-rocm-build#1506, ROCm/tensorflow-upstream#1364",
        refine="node",
    ),
    Row(
        "amd.no-device",
        ("no ROCm-capable device is detected", "hipErrorNoDevice", "No HIP GPUs are available"),
        "HIP (100), PyTorch on ROCm",
        "ROCm runs and sees no GPU: HIP_VISIBLE_DEVICES or ROCR_VISIBLE_DEVICES names none, /dev/kfd or the render node"
        " was not given to this container or may not be opened, or ROCm does not support the GPU.",
        (
            'See what it is told: echo "$HIP_VISIBLE_DEVICES" "$ROCR_VISIBLE_DEVICES"',
            "See what is here and whose: ls -ln /dev/kfd /dev/dri/renderD*; id",
            "In a container: --device /dev/kfd --device /dev/dri --group-add NUMBER (the number that ls shows)",
            "Compare the GPU with AMD's table of supported systems: rocminfo | grep gfx",
        ),
        "ROCm/hip#3910, ROCm/legacy-rocm-build#2941, pytorch/pytorch#70036",
        LIKELY,
        "node",
    ),
    Row(
        "amd.no-kernel-image",
        ("HIP error: invalid device function", "hipErrorInvalidDeviceFunction"),
        "PyTorch and other programs on ROCm",
        "The program has no code for this GPU's architecture (gfx…).",
        (
            "See the GPU's: rocminfo | grep gfx",
            "Install a build that lists it; for a close relative of a supported one: HSA_OVERRIDE_GFX_VERSION=10.3.0"
            " (or 11.0.0) in its environment",
        ),
        "ROCm/legacy-rocm-build#6120",
        CERTAIN,
    ),
)
