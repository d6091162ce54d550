"""What programs print, by the row it is about: each pattern of the catalogue in at least one text, with its prefix.

``NEAR`` are texts that look like it and say something else: the row must not claim them.
"""

HOOK = (
    "docker: Error response from daemon: failed to create task for container: failed to create shim task: OCI runtime"
    " create failed: runc create failed: unable to start container process: error during container init: error running"
    " prestart hook #0: exit status 1, stdout: , stderr: Auto-detected mode as 'legacy'\n"
)
START = 'Error: unable to start container "9a2fe17e6c603ab0": '
REFRESH = (
    'time="2026-11-22T04:17:40Z" level=debug msg="The following error was triggered when refreshing the CDI registry: 1'
    " error occurred:\\n\\t* "
)
TORCH = (
    "/opt/conda/lib/python3.10/site-packages/torch/cuda/__init__.py:107: UserWarning: CUDA initialization: Unexpected"
    " error from cudaGetDeviceCount(). Did you run some cuda functions before calling NumCudaDevices() that might have"
    " already set an error? "
)
POD = "  Warning  FailedCreatePodSandBox  12s (x10 over 2m11s)  kubelet  Failed to create pod sandbox: rpc error: "
ADDING = "docker: Error response from daemon: error gathering device information while adding custom device "

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
        "docker: Error response from daemon: failed to create task for container: runc create failed: unable to start"
        " container process: error during container init: failed to fulfil mount request: open"
        " /usr/lib/x86_64-linux-gnu/libcuda.so.535.161.07: no such file or directory: unknown.\n",
        START + 'runc: time="2026-11-22T04:17:42Z" level=error msg="runc create failed: unable to start container'
        ' process: error during container init: error mounting \\"/usr/lib/libcuda.so.550.1\\" to rootfs at'
        ' \\"/usr/lib/libcuda.so.550.1\\": stat /usr/lib/libcuda.so.550.1: no such file or directory"\n',
        'runc create failed: error mounting "/usr/lib/libnvidia-ml.so.550.1" to rootfs at'
        ' "/usr/lib/libnvidia-ml.so.550.1": stat /usr/lib/libnvidia-ml.so.550.1: no such file or directory\n',
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
    "podman.no-cdi": ("Error: stat nvidia.com/gpu=0: no such file or directory\n",),
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
        " unavailable"
        " for nvidia.com/gpu. Requested: 1, Available: 0, which is unexpected\n",
    ),
    "k8s.unhealthy": (
        "  Warning  UnexpectedAdmissionError  4s  kubelet  Allocate failed due to no healthy devices present; cannot"
        " allocate unhealthy devices amd.com/gpu, which is unexpected\n",
    ),
    "nvml.plugin-no-library": (
        "I0121 20:28:50.871846       1 factory.go:107] Detected non-NVML platform: could not load NVML library:"
        " libnvidia-ml.so.1: cannot open shared object file: No such file or directory\n",
    ),
    "toolkit.library-missing": (
        HOOK + "nvidia-container-cli: initialization error: load library failed: libnvidia-ml.so.1: cannot open shared"
        " object file: no such file or directory: unknown.\n",
        HOOK
        + "nvidia-container-cli: initialization error: load library failed: libcuda.so.1: cannot open shared object"
        " file: no such file or directory: unknown.\n",
    ),
    "toolkit.requirement": (
        HOOK
        + "nvidia-container-cli: requirement error: unsatisfied condition: cuda>=12.8, please update your driver to a"
        " newer version, or use an earlier cuda container: unknown\n",
    ),
    "toolkit.unknown-device": (
        HOOK + "nvidia-container-cli: device error: 1: unknown device: unknown.\n",
        "nvidia-container-cli.real: device error: MIG-GPU-932bfb2c-849a-2a22-1e84-9eff6bc02b39/1/0: unknown device\n",
    ),
    "toolkit.cgroup-rules": (
        HOOK
        + "nvidia-container-cli: mount error: failed to add device rules: unable to find any existing device filters"
        " attached to the cgroup: bpf_prog_query(BPF_CGROUP_DEVICE) failed: operation not permitted: unknown.\n",
    ),
    "toolkit.cgroup-v1-missing": (
        HOOK + "nvidia-container-cli: container error: cgroup subsystem devices not found: unknown.\n",
    ),
    "toolkit.cuda-error": (HOOK + "nvidia-container-cli: initialization error: cuda error: unknown error\n",),
    "toolkit.ldconfig-path": (
        HOOK + "nvidia-container-cli: ldcache error: open failed: /sbin/ldconfig.real: no such file or directory:"
        " unknown.\n",
    ),
    "toolkit.ldconfig-failed": (
        HOOK + "nvidia-container-cli: ldcache error: process /sbin/ldconfig.real failed with error code: 1: unknown.\n",
        HOOK + "nvidia-container-cli: ldcache error: process /sbin/ldconfig terminated with signal 9: unknown.\n",
    ),
    "toolkit.file-exists": (
        HOOK
        + "nvidia-container-cli: mount error: file creation failed: /var/lib/docker/overlay2/706b1d1b6de681b6daf1cab9"
        "79336a9d465d9b333962cc17db663f2e334d5776/merged/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1: file exists:"
        " unknown.\n",
    ),
    "toolkit.mount-denied": (
        "nvidia-container-cli: mount error: mount operation failed: /tmp/enroot/test/usr/lib/firmware/nvidia/470.57.02:"
        " operation not permitted\n",
    ),
    "toolkit.stale-cache": (
        HOOK
        + "nvidia-container-cli: detection error: open failed: /usr/lib/x86_64-linux-gnu/libnvidia-tls.so.470.129.06:"
        " no such file or directory: unknown.\n",
    ),
    "toolkit.compat-missing": (
        HOOK
        + "nvidia-container-cli: mount error: stat failed: /var/lib/docker/overlay2/3e69c4833ad6cf72748f7f259e8a408d4"
        "f567593d68432f69c8a5ae25a8e078e/merged/usr/local/cuda-10.2/compat/libcuda.so.440.118.02: no such file or"
        " directory: unknown\n",
    ),
    "driver.not-loaded": (
        HOOK + "nvidia-container-cli: initialization error: nvml error: driver not loaded: unknown.\n",
        "error: failed to initialize NVML: Driver Not Loaded\n",
    ),
    "driver.version-mismatch": (
        "Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 570.195\n",
        "[    9.424670] NVRM: API mismatch: the client 'kwin_wayland' (pid 1005)\n               NVRM: has the version"
        " 595.84, but this kernel module has\n",
    ),
    "driver.smi-failed": (
        "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest NVIDIA"
        " driver is installed and running.\n",
    ),
    "driver.module-missing": ("modprobe: FATAL: Module nvidia not found in directory /lib/modules/6.1.0-41-amd64\n",),
    "driver.module-rejected": (
        "modprobe: ERROR: could not insert 'nvidia': Key was rejected by service\n",
        "modprobe: ERROR: could not insert 'nvidia_current': Required key not available\n",
    ),
    "driver.probe-taken": ("[188549.976351] NVRM: The NVIDIA probe routine was not called for 3 device(s).\n",),
    "driver.adapter-failed": ("[   21.091872] NVRM: GPU 0000:01:00.0: RmInitAdapter failed! (0x22:0x56:894)\n",),
    "driver.gpu-lost": (
        "[ 1843.308145] NVRM: Xid (PCI:0000:44:00): 79, GPU has fallen off the bus.\n",
        "[ 1843.308145] NVRM: The NVIDIA GPU 0000:b3:00.0\n               NVRM: (PCI ID: 10de:26b5) installed in this"
        " system has\n               NVRM: fallen off the bus and is not responding to commands.\n",
        "error creating nvml.Device 5: nvml: GPU is lost, which is unexpected\n",
        "failed to get device remapped rows: ERROR_GPU_IS_LOST\n",
    ),
    "nvml.unknown-error": ("Failed to initialize NVML: Unknown Error\n",),
    "nvml.permission": (
        "Failed to initialize NVML: Insufficient Permissions\n",
        HOOK + "nvidia-container-cli: initialization error: nvml error: insufficient permissions: unknown.\n",
        "pynvml.NVMLError_NoPermission: Insufficient Permissions\n",
    ),
    "wsl.no-adapter": (
        HOOK
        + "nvidia-container-cli: initialization error: WSL environment detected but no adapters were found: unknown\n",
    ),
    "tegra.nvmap-denied": (
        "NvRmMemInitNvmap failed with Permission denied\n549: Memory Manager Not supported\n"
        "****NvRmMemInit failed**** error type: 196626\n",
    ),
    "tegra.nvmap-missing": (
        "NvRmMemInitNvmap failed with No such file or directory\n356: Memory Manager Not supported\n",
    ),
    "amd.kfd-denied": (
        "ROCk module is loaded\nUnable to open /dev/kfd read-write: Permission denied\n",
        "Unable to open /dev/kfd read-write: Operation not permitted\n",
    ),
    "amd.kfd-missing": ("ROCk module is loaded\nUnable to open /dev/kfd read-write: No such file or directory\n",),
    "amd.kfd-refused": (
        "Unable to open /dev/kfd read-write: Cannot allocate memory\nigor is member of render group\n",
        "ROCk module version 6.7.0 is loaded\nUnable to open /dev/kfd read-write: Invalid argument\n",
    ),
    "amd.module-missing": ("ROCk module is NOT loaded, possibly no GPU devices\n",),
    "amd.no-kernel-image": (
        "RuntimeError: HIP error: invalid device function\n",
        "rocBLAS error from hip error code: 'hipErrorInvalidDeviceFunction':98\n",
    ),
    "cuda.304": (
        "RuntimeError: CUDA failure 304: OS call failed or operation not supported on this OS ; GPU=32694\n",
        "numba.cuda.cudadrv.error.CudaSupportError: Error at driver init: Call to cuInit results in"
        " CUDA_ERROR_OPERATING_SYSTEM (304)\n",
        "CUDA runtime API error cudaErrorOperatingSystem (304):\n",
    ),
    "cuda.802": (
        TORCH + "Error 802: system not yet initialized (Triggered internally at  ../c10/cuda/CUDAFunctions.cpp:112.)\n",
        "RuntimeError: cuda runtime error (802) : system not yet initialized at THCGeneral.cpp:50\n",
        "[rank3]: Cuda failure 802 'system not yet initialized'\n",
        "failed call to cuInit: CUDA_ERROR_SYSTEM_NOT_READY\n",
        'CUDA error at bandwidthTest.cu:256 code=802(cudaErrorSystemNotReady) "cudaSetDevice(currentDevice)"\n',
    ),
    "cuda.803": (
        TORCH + "Error 803: system has unsupported display driver / cuda driver combination\n",
        "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH\n",
    ),
    "cuda.804": (
        TORCH + "Error 804: forward compatibility was attempted on non supported HW\n",
        "cupy_backends.cuda.api.runtime.CUDARuntimeError: cudaErrorCompatNotSupportedOnDevice\n",
    ),
    "cuda.805": (
        TORCH + "Error 805: MPS client failed to connect to the MPS control daemon or the MPS server\n",
        "CUDA_ERROR_MPS_CONNECTION_FAILED\n",
    ),
    "cuda.35": (
        "-> CUDA driver version is insufficient for CUDA runtime version\n",
        'code=35(cudaErrorInsufficientDriver) "cudaSetDevice(currentDevice)"\n',
        "RuntimeError: The NVIDIA driver on your system is too old (found version 11040). Please update your GPU"
        " driver\n",
    ),
    "cuda.100": (
        "2023-11-28 16:42:02.738968: E tensorflow/stream_executor/cuda/cuda_driver.cc:328] failed call to cuInit:"
        " CUDA_ERROR_NO_DEVICE: no CUDA-capable device is detected\n",
        "E tensorflow/stream_executor/cuda/cuda_driver.cc:406] failed call to cuInit: CUDA_ERROR_NO_DEVICE\n",
        "    torch._C._cuda_init()\nRuntimeError: No CUDA GPUs are available\n",
    ),
    "cuda.101": ("RuntimeError: CUDA error: invalid device ordinal\n",),
    "cuda.999": (
        "RuntimeError: CUDA unknown error - this may be due to an incorrectly set up environment, e.g. changing env"
        " variable CUDA_VISIBLE_DEVICES after program start. Setting the available devices to be zero.\n",
        "RuntimeError: cuda runtime error (999) : unknown error at THCGeneral.cpp:50\n",
        "THCudaCheck FAIL file=THCGeneral.cpp line=50 error=999 : unknown error\n",
        "Error 999: unknown error\n",
        "panic: CUDA_ERROR_UNKNOWN\n",
    ),
    "cuda.46": (
        "RuntimeError: CUDA error: CUDA-capable device(s) is/are busy or unavailable\n",
        "RuntimeError: cuda runtime error (46) : all CUDA-capable devices are busy or unavailable\n",
        "CUDA_ERROR_DEVICE_UNAVAILABLE\n",
    ),
    "cuda.forked": (
        "RuntimeError: Cannot re-initialize CUDA in forked subprocess. To use CUDA with multiprocessing, you must use"
        " the"
        " 'spawn' start method\n",
    ),
    "cuda.no-kernel-image": (
        "RuntimeError: CUDA error: no kernel image is available for execution on the device\n",
        "NVIDIA GeForce RTX 5090 with CUDA capability sm_120 is not compatible with the current PyTorch"
        " installation.\n",
    ),
    "cuda.out-of-memory": (
        "torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 32.00 MiB. GPU 0 has a total capacity of"
        " 4.00"
        " GiB of which 41.56 MiB is free.\n",
        "CUDA_ERROR_OUT_OF_MEMORY: out of memory\n",
    ),
    "cuda.no-libcuda": (
        "ImportError: libcuda.so.1: cannot open shared object file: No such file or directory\n",
        "E tensorflow/stream_executor/cuda/cuda_driver.cc:313] failed call to cuInit: UNKNOWN ERROR (303)\n",
    ),
    "torch.no-driver": (
        "RuntimeError: Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU and installed a"
        " driver from http://www.nvidia.com/Download/index.aspx\n",
    ),
    "torch.cpu-build": ("AssertionError: Torch not compiled with CUDA enabled\n",),
    "shm.loader": (
        "ERROR: Unexpected bus error encountered in worker. This might be caused by insufficient shared memory"
        " (shm).\n",
        "RuntimeError: DataLoader worker (pid 46794) is killed by signal: Bus error. It is possible that dataloader's"
        " workers are out of shared memory.\n",
    ),
    "shm.nccl": (
        "[3] include/shm.h:48 NCCL WARN Error while creating shared memory segment nccl-shm-recv-1462445a6f01cbfc-1-2-3"
        " (size 9637888)\n",
        "(Runner pid=868697) Error while creating shared memory segment /dev/shm/nccl-UmqSM9 (size 7340384)\n",
        "host:9621:9691 [6] misc/shmutils.cc:71 NCCL WARN Error: failed to extend /dev/shm/nccl-fjwOOB to 5967876"
        " bytes\n",
        "gpu2:2143:2561 [1] include/shm.h:28 NCCL WARN Call to posix_fallocate failed : No space left on device\n",
    ),
    "shm.nccl-attach": (
        "g148:14937:69361 [0] misc/shmutils.cc:129 NCCL WARN Error while attaching to shared memory segment"
        " /dev/shm/nccl-glnlGK (size 14156128), error: No such file or directory (2)\n",
    ),
    "slurm.gres-invalid": (
        "sbatch: error: Batch job submission failed: Invalid generic resource (gres) specification\n",
    ),
    "slurm.node-file-missing": (
        "slurmd: fatal: can't stat gres.conf file /dev/nvidia0: No such file or directory\n",
        "Feb 02 09:51:48 worker slurmd[12912]: slurmd: error: Waiting for gres.conf file /dev/nvidia0\n",
    ),
    "slurm.no-nvml": (
        "slurmd: fatal: We were configured to autodetect nvml functionality, but we weren't able to find that lib when"
        " Slurm was configured.\n",
    ),
    "slurm.gres-duplicate": ("Feb 20 18:59:13 node2 slurmd[57977]: fatal: gres.conf duplicate records for gpu\n",),
    "apptainer.no-nv-files": ("INFO:    Could not find any nv files on this host!\n",),
}
"""By code. Other rows may be found in them too, behind this one."""

NEAR: dict[str, tuple[str, ...]] = {
    "cdi.unresolvable": (
        "Error: setting up CDI devices: failed to inject devices\n",
        "unresolvable host name cdi.example.com\n",
    ),
    "docker.cdi-unresolvable": ("CDI device injection succeeded: resolvable CDI devices nvidia.com/gpu=0\n",),
    "k8s.cdi-unresolvable": ("Error: failed to create containerd container: get apparmor_parser version\n",),
    "cdi.syntax": ("error converting YAML to JSON: yaml: line 3: mapping values are not allowed in this context\n",),
    "cdi.unknown-field": ('error: unable to decode "pod.yaml": json: unknown field "spec.gpus"\n',),
    "cdi.invalid-version": ("invalid version 9.9.0 of the chart\n",),
    "cdi.version-too-old": ("the image version must be at least v2\n",),
    "cdi.empty": ("failed to parse CDI Spec: no such field\n",),
    "cdi.bad-kind": ("invalid CDI Spec: invalid version\n",),
    "cdi.conflict": ("conflicting device node numbers\n",),
    "cdi.empty-device": ("invalid device name, empty string\n",),
    "cdi.spec-device": ("failed add device to bridge\n",),
    "cdi.unreadable": ("failed to load CDI Spec: open /etc/cdi/x.yaml: no such file or directory\n",),
    "cdi.dangling-link": ("failed to load CDI Spec: open /etc/cdi/x.yaml: permission denied\n",),
    "cdi.node-missing": ("failed to stat host device /dev/sda: no such file or directory\n",),
    "cdi.node-type": ("host key type mismatch\n",),
    "cdi.mount-missing": (
        'error mounting "/srv/data" to rootfs at "/data": stat /srv/data: no such file or directory\n',
        "mounting libcuda.so to rootfs at /usr/lib\n",
    ),
    "cdi.hook-missing": ("fork/exec /usr/bin/other-hook: no such file or directory\n",),
    "cdi.hook-failed": ("error executing hook `/usr/bin/other` (exit code: 1)\n", "nvidia-ctk (exit code: 0)\n"),
    "cdi.generate-no-nvml": ("failed to generate CDI spec: permission denied\n",),
    "cdi.generate-no-libcuda": ("WARN[0000] failed to locate libcuda.so: pattern libcuda.so.*.* not found\n",),
    "cdi.generate-too-early": ("nvidia-ctk: failed to generate CDI spec: no space left on device\n",),
    "cdi.off": ('could not select device driver "nvidia" with capabilities: [[gpu]]\n',),
    "docker.no-gpu-driver": ('could not select device driver "cdi" with capabilities: []\n',),
    "docker.no-gpu-vendor": ("failed to discover GPU vendor from PCI\n",),
    "docker.runtime-unknown": ("unknown or invalid runtime name: kata\n", "Unknown runtime specified runsc\n"),
    "docker.runtime-not-found": ('exec: "nvidia-smi": executable file not found in $PATH\n',),
    "docker.hook-not-found": ('exec: "nvidia-container-runtime": executable file not found in $PATH\n',),
    "docker.gpus-needs-runtime": ("invoking the NVIDIA Container Runtime Hook\n",),
    "docker.gpus-flag-unknown": ("unknown flag: --cpus-total\n",),
    "docker.device-missing": (ADDING + '"/dev/kvm": no such file or directory.\n',),
    "podman.no-cdi": ("Error: stat /dev/nvidia0: no such file or directory\n",),
    "containerd.no-runtime": ('no runtime for "kata" is configured\n',),
    "crio.no-runtime": ("failed to find runtime handler kata from runtime list map[runc:0xc00047ef00]\n",),
    "k8s.insufficient": ("0/1 nodes are available: 1 Insufficient cpu, 1 Insufficient memory.\n",),
    "k8s.plugin-no-devices": ("Incompatible strategy selected\n", "No devices found in the catalogue.\n"),
    "k8s.plugin-mig-permission": ("error getting device memory info: Not Supported\n",),
    "k8s.allocate-failed": ("Allocate failed due to rpc error: code = Unavailable desc = EOF, which is unexpected\n",),
    "k8s.unhealthy": ("marked as unhealthy: nvidia.com/gpu\n",),
    "nvml.plugin-no-library": ("Detected NVML platform: found NVML library\n",),
    "toolkit.library-missing": ("load library failed: libfoo.so.1\n",),
    "toolkit.requirement": ("unsatisfied condition: ready\n",),
    "toolkit.unknown-device": ("device error: timeout\n", "unknown device id\n"),
    "toolkit.cgroup-rules": ("bpf_prog_query(BPF_CGROUP_DEVICE) succeeded\n",),
    "toolkit.cgroup-v1-missing": ("cgroup subsystem devices mounted\n",),
    "toolkit.cuda-error": ("initialization error: nvml error: unknown error\n",),
    "toolkit.ldconfig-path": ("ldcache error: process /sbin/ldconfig failed\n",),
    "toolkit.ldconfig-failed": ("ldcache error: open failed: /sbin/ldconfig.real\n",),
    "toolkit.file-exists": ("mkdir: cannot create directory: file exists\n",),
    "toolkit.mount-denied": ("mount: /mnt: operation not permitted.\n",),
    "toolkit.stale-cache": ("open failed: /etc/passwd: no such file or directory\n",),
    "toolkit.compat-missing": ("stat failed: /usr/local/cuda/lib64/libcudart.so\n",),
    "driver.not-loaded": ("nvml error: insufficient permissions\n", "driver not loaded: nouveau\n"),
    "driver.version-mismatch": ("client/server version mismatch\n", "NVRM: loading NVIDIA UNIX Open Kernel Module\n"),
    "driver.smi-failed": ("NVIDIA-SMI 570.169                Driver Version: 570.169        CUDA Version: 12.8\n",),
    "driver.module-missing": ("modprobe: FATAL: Module nvme_tcp not found in directory /lib/modules/6.1.0\n",),
    "driver.module-rejected": ("modprobe: ERROR: could not insert 'px1800kbd': Key was rejected by service\n",),
    "driver.probe-taken": ("NVRM: The NVIDIA probe routine was called\n",),
    "driver.adapter-failed": ("NVRM: rm_init_adapter succeeded\n",),
    "driver.gpu-lost": ("NVRM: Xid (PCI:0000:44:00): 31, MMU Fault\n", "the passenger has fallen off the bus\n"),
    "nvml.unknown-error": ("Failed to initialize NVML: Driver/library version mismatch\n",),
    "nvml.permission": ("nvml error: driver not loaded\n",),
    "wsl.no-adapter": ("WSL environment detected\n",),
    "tegra.nvmap-denied": ("NvRmMemInitNvmap succeeded\n",),
    "tegra.nvmap-missing": ("NvRmMemInitNvmap failed with Permission denied\n",),
    "amd.kfd-denied": ("Unable to open /dev/sda read-write: Permission denied\n",),
    "amd.kfd-missing": ("Unable to open /dev/kfd read-write: Permission denied\n",),
    "amd.kfd-refused": ("Unable to open /dev/kfd read-write: No such file or directory\n",),
    "amd.module-missing": ("ROCk module is loaded\n",),
    "amd.no-kernel-image": ("HIP error: out of memory\n",),
    "cuda.304": ("OS call succeeded\n", "CUDA error 304\n"),
    "cuda.802": ("file system not yet initialized\n", "802.1x: system not ready\n"),
    "cuda.803": ("system has an unsupported display\n",),
    "cuda.804": ("forward compatibility was attempted\n",),
    "cuda.805": ("MPS client connected to the MPS control daemon\n",),
    "cuda.35": ("CUDA driver version is 12040, CUDA runtime version is 12010\n",),
    "cuda.100": ("1 CUDA-capable device detected\n", "No CUDA toolkit is available\n"),
    "cuda.101": ("invalid device function\n",),
    "cuda.999": ("unknown error - retrying\n", "exit code 999\n"),
    "cuda.46": ("all devices are idle\n",),
    "cuda.forked": ("CUDA was initialized in the main process\n",),
    "cuda.no-kernel-image": ("no kernel image found in /boot\n",),
    "cuda.out-of-memory": ("torch.cuda.memory_allocated: 32.00 MiB\n",),
    "cuda.no-libcuda": ("libcudart.so.12: cannot open shared object file: No such file or directory\n",),
    "torch.no-driver": ("Found NVIDIA driver 570.169 on your system\n",),
    "torch.cpu-build": ("Torch compiled with CUDA enabled\n",),
    "shm.loader": ("DataLoader worker (pid 46794) exited\n",),
    "shm.nccl": ("NCCL INFO Channel 00 : 0[3d000] -> 1[3e000] via direct shared memory\n",),
    "shm.nccl-attach": ("attaching to shared memory segment /dev/shm/nccl-glnlGK\n",),
    "slurm.gres-invalid": ("Invalid partition name specified\n",),
    "slurm.node-file-missing": ("can't stat topology.conf file\n",),
    "slurm.no-nvml": ("We were configured to autodetect nvml functionality\n",),
    "slurm.gres-duplicate": ("gres.conf records for gpu\n",),
    "apptainer.no-nv-files": ("Could not find any files on this host!\n",),
}
