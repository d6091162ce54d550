"""What programs put before the words that tell: the beginnings of texts, and all of one."""

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
