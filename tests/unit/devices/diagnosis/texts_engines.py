"""What CDI, container engines and Kubernetes say."""

from __future__ import annotations

from tests.unit.devices.diagnosis.prefixes import ADDING, HOOK, POD, REFRESH, START

SAMPLES: dict[str, tuple[str, ...]] = {
    "cdi.unresolvable": (
        "Error: setting up CDI devices: unresolvable CDI devices nvidia.com/gpu=all\n",
        START + "setting up CDI devices: unresolvable CDI devices nvidia.com/gpu=all\n",
        "docker: Error response from daemon: OCI runtime create failed: could not apply required modification to OCI"
        " specification: error modifying OCI spec: failed to inject CDI devices: unresolvable CDI devices"
        " nvidia.com/gpu=all: unknown.\n",
    ),
    "docker.cdi-unresolvable": (
        "docker: Error response from daemon: CDI device injection failed: unresolvable CDI devices nvidia.com/gpu=0.\n",
    ),
    "k8s.cdi-unresolvable": (
        "  Warning  Failed  3s  kubelet  Error: failed to create containerd container: CDI device injection failed:"
        " unresolvable CDI devices k8s.device-plugin.nvidia.com/gpu=GPU-5d2d0a3f\n",
    ),
    "cdi.syntax": (
        REFRESH
        + 'failed to load CDI Spec: failed to parse CDI Spec \\"/etc/cdi/x.yaml\\": failed to unmarshal CDI Spec:'
        ' error converting YAML to JSON: yaml: line 3: mapping values are not allowed in this context\\n\\n"\n',
        'level=warning msg="failed to parse CDI Spec \\"/etc/cdi/x.yaml\\": yaml: line 2: did not find expected key"\n',
    ),
    "cdi.unknown-field": (
        REFRESH
        + 'failed to load CDI Spec: failed to parse CDI Spec \\"/etc/cdi/nvidia.yaml\\": failed to unmarshal CDI'
        ' Spec: error unmarshaling JSON: while decoding JSON: json: unknown field \\"additionalGids\\"\\n\\n"\n',
    ),
    "cdi.invalid-version": (
        REFRESH + 'failed to load CDI Spec: invalid CDI Spec: invalid version \\"9.9.0\\"\\n\\n"\n',
    ),
    "cdi.version-too-old": (
        REFRESH + 'failed to load CDI Spec invalid CDI Spec: the spec version must be at least v0.5.0"\n',
    ),
    "cdi.empty": (
        REFRESH + 'failed to load CDI Spec: failed to parse CDI Spec \\"/var/run/cdi/x.yaml\\", no Spec data\\n\\n"\n',
    ),
    "cdi.bad-kind": (
        REFRESH + 'failed to load CDI Spec: invalid CDI Spec: invalid (empty) vendor name\\n\\n"\n',
        REFRESH
        + 'failed to load CDI Spec: invalid CDI Spec: invalid vendor \\"-x\\", should start with a letter\\n"\n',
        REFRESH + 'failed to load CDI Spec: invalid CDI Spec: invalid class \\"-x\\", should start with a letter\\n"\n',
    ),
    "cdi.conflict": (
        REFRESH + 'conflicting device \\"nvidia.com/gpu=all\\" (specs \\"/var/run/cdi/y.yaml\\",'
        ' \\"/var/run/cdi/x.yaml\\")\\n\\n"\n',
    ),
    "cdi.empty-device": (
        "ERRO[0000] failed to save CDI spec: invalid device, empty device edits\n",
        REFRESH + 'failed to load CDI Spec: invalid CDI Spec: failed add device \\"all\\": invalid device, empty device'
        ' edits\\n\\n"\n',
    ),
    "cdi.spec-device": (
        REFRESH + 'failed to load CDI Spec: invalid CDI Spec: failed add device \\"all\\": invalid device \\"all\\":'
        ' invalid container edits: invalid environment variable \\"Ab\\"\\n\\n"\n',
    ),
    "cdi.unreadable": (
        REFRESH + 'failed to load CDI Spec: open /etc/cdi/nvidia.yaml: permission denied\\n\\n"\n',
        REFRESH + 'failed to load CDI Spec open /etc/cdi/nvidia.yaml: permission denied"\n',
    ),
    "cdi.dangling-link": (
        REFRESH + 'failed to load CDI Spec: open /var/run/cdi/x.yaml: no such file or directory\\n\\n"\n',
        REFRESH + 'failed to load CDI Spec open /var/run/cdi/x.yaml: no such file or directory"\n',
    ),
    "cdi.node-missing": (
        START + 'setting up CDI devices: failed to inject devices: failed to stat CDI host device "/dev/nvidia-uvm": no'
        " such file or directory\n",
    ),
    "cdi.node-type": (
        START
        + 'setting up CDI devices: failed to inject devices: CDI device ("/dev/nvidia0", "/dev/nvidia0"), host type'
        " mismatch (c, b)\n",
    ),
    "cdi.mount-missing": (
        "runc create failed: failed to fulfil mount request: open /usr/share/nvidia/nvoptix.bin: no such file or"
        " directory\n",
        "runc create failed: failed to fulfil mount request: open /usr/lib64/libnvcuvid.so.535.1: no such file or"
        " directory\n",
        "Error: crun: cannot stat `/lib64/libEGL_nvidia.so.550.54.14`: No such file or directory: OCI runtime attempted"
        " to invoke a command that was not found\n",
        'Error: OCI runtime error: crun: {"msg":"cannot stat `/usr/lib64/libcuda.so.550.54.14`: No such file or'
        ' directory","level":"error"}\n',
        "Error: crun: cannot stat `/usr/lib64/libnvoptix.so.575.64.03`: No such file or directory: OCI runtime"
        " attempted to invoke a command that was not found\n",
        "docker: Error response from daemon: failed to create task for container: runc create failed: unable to start"
        " container process: error during container init: failed to fulfil mount request: open"
        " /usr/lib/x86_64-linux-gnu/libcuda.so.535.161.07: no such file or directory: unknown.\n",
        START + 'runc: time="2026-11-22T04:17:42Z" level=error msg="runc create failed: unable to start container'
        ' process: error during container init: error mounting \\"/usr/lib/libcuda.so.550.1\\" to rootfs at'
        ' \\"/usr/lib/libcuda.so.550.1\\": stat /usr/lib/libcuda.so.550.1: no such file or directory"\n',
        'runc create failed: error mounting "/usr/lib/libnvidia-ml.so.550.1" to rootfs at'
        ' "/usr/lib/libnvidia-ml.so.550.1": stat /usr/lib/libnvidia-ml.so.550.1: no such file or directory\n',
    ),
    "engine.mount-missing": (
        START + 'runc: time="2026-11-22T04:17:42Z" level=error msg="runc create failed: unable to start container'
        " process: error during container init: failed to fulfil mount request: open /home/me/data: no such file or"
        ' directory"\n',
        "Error: crun: cannot stat `/home/me/data`: No such file or directory: OCI runtime attempted to invoke a command"
        " that was not found\n",
    ),
    "cdi.hook-missing": (
        START + 'runc: time="2026-11-22T04:17:41Z" level=error msg="runc create failed: unable to start container'
        " process: error during container init: error running hook #0: fork/exec /usr/bin/nvidia-cdi-hook: no such file"
        ' or directory": OCI runtime attempted to invoke a command that was not found\n',
        "error running hook #0: fork/exec /usr/bin/nvidia-ctk: no such file or directory\n",
    ),
    "cdi.hook-failed": (
        'Error: OCI runtime error: crun: {"msg":"error executing hook `/usr/bin/nvidia-cdi-hook` (exit code:'
        ' 1)","level":"error","time":"2025-10-22T10:04:55.559600Z"}\n',
        'Error: OCI runtime error: crun: {"msg":"error executing hook `/usr/bin/nvidia-ctk` (exit code:'
        ' 1)","level":"error","time":"2023-11-05T12:05:27.216981Z"}\n',
    ),
    "cdi.generate-no-nvml": (
        "ERRO[0000] failed to generate CDI spec: failed to create device CDI specs: failed to initialize NVML:"
        " ERROR_LIBRARY_NOT_FOUND\n",
        "error: failed to initialize NVML: ERROR_LIBRARY_NOT_FOUND\n",
    ),
    "cdi.generate-no-libcuda": (
        "ERRO[0000] failed to generate CDI spec: failed to create edits common for entities: failed to create"
        " discoverer"
        " for common entities: failed to create discoverer for driver files: failed to create discoverer for driver"
        " libraries: failed to get libraries for driver version: failed to locate libcuda.so.515.105.01: pattern"
        " libcuda.so.515.105.01 not found\n",
    ),
    "cdi.generate-too-early": (
        'Mar 06 16:49:32 host nvidia-ctk[1480]: time="2026-03-06T16:49:32+11:00" level=error msg="failed to generate'
        " CDI"
        ' spec: failed to create device CDI specs: failed to initialize NVML: Driver Not Loaded"\n',
        "Mar 06 16:49:32 host nvidia-cdi-refresh[1480]: failed to initialize NVML: Driver Not Loaded\n",
    ),
    "cdi.off": ('docker: Error response from daemon: could not select device driver "cdi" with capabilities: [].\n',),
    "docker.no-gpu-driver": (
        'docker: Error response from daemon: could not select device driver "" with capabilities: [[gpu]].\n',
        'Error response from daemon: could not select device driver "nvidia" with capabilities: [[gpu]]\n',
    ),
    "docker.no-gpu-vendor": (
        "docker: Error response from daemon: failed to discover GPU vendor from CDI: no known GPU vendor found\n",
    ),
    "docker.runtime-unknown": (
        "docker: Error response from daemon: unknown or invalid runtime name: nvidia.\nSee 'docker run --help'.\n",
        "docker: Error response from daemon: Unknown runtime specified nvidia.\nSee 'docker run --help'.\n",
    ),
    "docker.runtime-not-found": (
        "docker: Error response from daemon: OCI runtime create failed: unable to retrieve OCI runtime error (open"
        ' log.json: no such file or directory): exec: "nvidia-container-runtime": executable file not found in $PATH:'
        " unknown.\n",
        "docker: Error response from daemon: OCI runtime create failed: unable to retrieve OCI runtime error (open"
        " log.json: no such file or directory): fork/exec /usr/bin/nvidia-container-runtime: no such file or directory:"
        " unknown.\n",
    ),
    "docker.hook-not-found": (
        'docker: Error response from daemon: OCI runtime create failed: exec: "nvidia-container-runtime-hook":'
        " executable"
        " file not found in $PATH: unknown.\n",
    ),
    "docker.gpus-needs-runtime": (
        HOOK.replace("legacy", "csv")
        + "invoking the NVIDIA Container Runtime Hook directly (e.g. specifying the docker"
        " --gpus flag) is not supported. Please use the NVIDIA Container Runtime (e.g. specify the --runtime=nvidia"
        " flag)"
        " instead.: unknown.\n",
    ),
    "docker.gpus-flag-unknown": ("unknown flag: --gpus\nSee 'docker run --help'.\n",),
    "docker.device-missing": (
        ADDING + '"/dev/nvidia0": lstat /dev/nvidia0: no such file or directory.\n',
        ADDING + '"/dev/dri": no such file or directory.\n',
        ADDING + '"/dev/kfd": no such file or directory.\n',
        ADDING + '"/dev/dxg": no such file or directory.\n',
    ),
    "docker.no-cdi": (ADDING + '"nvidia.com/gpu=all": no such file or directory\n',),
    "container.no-smi": (
        "docker: Error response from daemon: failed to create task for container: runc create failed: unable to start"
        ' container process: exec: "nvidia-smi": executable file not found in $PATH: unknown.\n',
        "Error: crun: executable file `nvidia-smi` not found in $PATH: No such file or directory: OCI runtime attempted"
        " to invoke a command that was not found\n",
        "bash: nvidia-smi: command not found\n",
        "sh: 1: nvidia-smi: not found\n",
    ),
    "podman.runtime-unknown": ('Error: default OCI runtime "nvidia" not found: invalid argument\n',),
    "podman.no-cdi": ("Error: stat nvidia.com/gpu=0: no such file or directory\n",),
    "podman.device-denied": (
        'Error: /usr/bin/nvidia-container-runtime: time="2025-06-16T16:57:14-04:00" level=error msg="runc create failed'
        ": unable to start container process: error during container init: error creating device nodes: open"
        ' /home/u/.local/share/containers/storage/overlay/41bdd82a8b/merged/dev/dri/card1: permission denied": OCI'
        " permission denied\n",
    ),
    "containerd.no-runtime": (
        POD + 'code = Unknown desc = failed to get sandbox runtime: no runtime for "nvidia" is configured\n',
    ),
    "crio.no-runtime": (
        POD + "code = Unknown desc = failed to find runtime handler nvidia from runtime list map[crun:0xc00047e300"
        " runc:0xc00047ef00]\n",
    ),
    "k8s.insufficient": (
        "  Warning  FailedScheduling  2s  default-scheduler  0/1 nodes are available: 1 Insufficient nvidia.com/gpu.\n",
        "  Warning  FailedScheduling  2s  default-scheduler  0/2 nodes are available: 2 Insufficient amd.com/gpu.\n",
    ),
    "k8s.plugin-no-devices": (
        "E0506 17:45:45.421956       1 factory.go:112] Incompatible strategy detected auto\n",
        "E0417 07:12:59.758986       1 factory.go:115] Incompatible platform detected\n",
        "I0123 16:54:07.230000       1 main.go:287] No devices found. Waiting indefinitely.\n",
        "E0506 17:45:45.442750       1 main.go:173] error starting plugins: error getting plugins: unable to create"
        " plugins: failed to construct resource managers: invalid device discovery strategy\n",
    ),
    "k8s.plugin-mig-permission": (
        "E0407 94 main.go:188] error starting plugins: error building MIG device map: error getting MIG profile for MIG"
        " device at index '(0, 0)': error getting parent memory info: Insufficient Permissions\n",
        "error starting plugins: unable to add default resources to config: error visiting device: error getting device"
        " memory info: Insufficient Permissions\n",
    ),
    "k8s.allocate-failed": (
        "  Warning  UnexpectedAdmissionError  4s  kubelet  Allocate failed due to requested number of devices"
        " unavailable for nvidia.com/gpu. Requested: 1, Available: 0, which is unexpected\n",
        "Allocate failed due to requested number of devices unavailable for amd.com/gpu. Requested: 1, Available: 0\n",
        "Allocate failed due to requested number of devices unavailable for gpu.intel.com/i915. Requested: 1\n",
    ),
    "k8s.unhealthy": (
        "  Warning  UnexpectedAdmissionError  4s  kubelet  Allocate failed due to no healthy devices present; cannot"
        " allocate unhealthy devices amd.com/gpu, which is unexpected\n",
    ),
    "nvml.plugin-no-library": (
        "I0121 20:28:50.871846       1 factory.go:107] Detected non-NVML platform: could not load NVML library:"
        " libnvidia-ml.so.1: cannot open shared object file: No such file or directory\n",
    ),
}
