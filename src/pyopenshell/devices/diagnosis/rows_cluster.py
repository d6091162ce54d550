"""Kubernetes: what schedulers, kubelets, their engines and device plugins say."""

from __future__ import annotations

from pyopenshell.devices.diagnosis.row import CERTAIN, LIKELY, POSSIBLE, Row

ROWS: tuple[Row, ...] = (
    Row(
        "containerd.no-runtime",
        ('no runtime for "nvidia" is configured',),
        "kubelet, containerd",
        "The pod's runtime class wants a handler named nvidia that this node's containerd does not have.",
        (
            "On the node: sudo nvidia-ctk runtime configure --runtime=containerd && sudo systemctl restart containerd",
            "See whether containerd reads that file: sudo containerd config dump | grep -A3 nvidia",
            "With the GPU operator, see whether its toolkit pod is ready and writes to the file that containerd reads"
            " (k3s, RKE2, k0s and MicroK8s have their own)",
        ),
        "NVIDIA/gpu-operator#413, NVIDIA/k8s-device-plugin#479",
        CERTAIN,
    ),
    Row(
        "crio.no-runtime",
        ("failed to find runtime handler nvidia from runtime list",),
        "kubelet, CRI-O",
        "The pod's runtime class wants a handler named nvidia, and CRI-O has none; with CRI-O the GPU operator uses"
        " hooks or CDI and needs no such class.",
        (
            "Take runtimeClassName: nvidia out of the pod, or",
            "register it on the node: sudo nvidia-ctk runtime configure --runtime=crio && sudo systemctl restart crio",
        ),
        "NVIDIA/gpu-operator#1298, NVIDIA/NVSentinel#442",
        CERTAIN,
    ),
    Row(
        "k8s.insufficient",
        ("Insufficient nvidia.com/", "Insufficient amd.com/gpu"),
        "kube-scheduler",
        "No node has as many free GPUs as the pod asks for: the device plugin has registered none there, or all are in"
        " use.",
        (
            "See what nodes offer: kubectl describe nodes | grep -A8 Allocatable (nvidia.com/gpu must be there)",
            "Where it is missing, read the plugin's log: kubectl -n kube-system logs -l name=nvidia-device-plugin-ds",
            "Where it is there, see who uses them: kubectl describe nodes | grep -A20 'Allocated resources'",
            "See whether a taint or selector keeps the pod off the GPU nodes: kubectl describe pod POD",
        ),
        "seen",
        about=("nodes are available", "scale-up", "scale up"),
        unless=(": 0 Insufficient nvidia.com/", ", 0 Insufficient nvidia.com/", ": 0 Insufficient amd.com/gpu"),
    ),
    Row(
        "k8s.plugin-no-devices",
        (
            "Incompatible strategy detected auto",
            "Incompatible platform detected",
            "No devices found. Waiting indefinitely",
            "failed to construct resource managers: invalid device discovery strategy",
        ),
        "nvidia-device-plugin",
        "The device plugin's container has no NVML: it was started by the plain runtime, so the driver's libraries and"
        " devices were not given to it.",
        (
            "Register the runtime on the node: sudo nvidia-ctk runtime configure --runtime=containerd && sudo"
            " systemctl restart containerd",
            "Run the plugin with it: runtimeClassName: nvidia in its DaemonSet (helm: --set runtimeClassName=nvidia),"
            " or make it the default with --set-as-default",
            "On a node without a GPU keep the plugin away by a nodeSelector",
            "On the node itself: nvidia-smi must work",
        ),
        "NVIDIA/k8s-device-plugin#1134, NVIDIA/k8s-device-plugin#1470, NVIDIA/k8s-device-plugin#655",
        refine="driver",
        about=("main.go", "factory.go", "nvml", "nvidia", "device-plugin"),
    ),
    Row(
        "k8s.plugin-mig-permission",
        (
            "error getting device memory info: Insufficient Permissions",
            "error getting parent memory info: Insufficient Permissions",
        ),
        "nvidia-device-plugin, gpu-feature-discovery",
        "With MIG on, reading a GPU's state takes the monitor capability (/dev/nvidia-caps/nvidia-cap2), which this"
        " container does not have.",
        (
            "Give it to the plugin: the variable NVIDIA_MIG_MONITOR_DEVICES=all, and SYS_ADMIN where the image wants"
            " it",
            "With toolkit 1.18 and later in CDI mode: privileged: true, or nvidia-container-runtime.mode=legacy",
        ),
        "NVIDIA/k8s-device-plugin#399, NVIDIA/k8s-device-plugin#1683, NVIDIA/nvidia-container-toolkit#1740",
        CERTAIN,
    ),
    Row(
        "k8s.allocate-failed",
        (
            "Allocate failed due to requested number of devices unavailable for nvidia.com/",
            "Allocate failed due to requested number of devices unavailable for amd.com/gpu",
            "Allocate failed due to requested number of devices unavailable for gpu.intel.com/",
        ),
        "kubelet",
        "The scheduler sent the pod to a node whose kubelet has no GPU left for it: a pod that ended still holds it,"
        " or a GPU turned unhealthy after the node was chosen.",
        (
            "Create the pod again; one in this state never starts: kubectl delete pod POD",
            "Where it repeats, compare: kubectl describe node NODE (Allocatable and Allocated)",
            "Read the plugin's log for GPUs that it marked unhealthy, and the node's for Xid: dmesg | grep -i xid",
        ),
        "kubernetes/kubernetes#130145",
        CERTAIN,
    ),
    Row(
        "k8s.unhealthy",
        ("no healthy devices present; cannot allocate unhealthy devices",),
        "kubelet",
        "The kubelet knows GPUs of this kind and holds all for unhealthy: the device plugin is gone (as after a"
        " restart), or reported them so.",
        (
            "See whether the plugin runs on that node: kubectl get pods -A -o wide | grep device-plugin",
            "Restart it: kubectl -n kube-system rollout restart daemonset nvidia-device-plugin-daemonset",
            "On the node: nvidia-smi; dmesg | grep -i xid",
        ),
        "trueforge-org/truecharts#19201",
        LIKELY,
        about=("nvidia.com/", "amd.com/gpu", "gpu.intel.com/"),
    ),
    Row(
        "nvml.plugin-no-library",
        ("could not load NVML library: libnvidia-ml.so.1",),
        "nvidia-device-plugin, gpu-feature-discovery",
        "The plugin's container does not see libnvidia-ml.so.1. On a node with an NVIDIA driver it was started by the"
        " plain runtime; on others, and on Tegra, this is normal.",
        (
            "On the node: ldconfig -p | grep libnvidia-ml",
            "Run the plugin with the NVIDIA runtime: runtimeClassName: nvidia in its DaemonSet",
        ),
        "NVIDIA/k8s-device-plugin#444, NVIDIA/k8s-device-plugin#479",
        POSSIBLE,
        "driver",
    ),
)
