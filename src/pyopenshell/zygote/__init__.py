"""The zygote: a single-threaded, pre-imported process that starts and keeps the sandboxes of another one."""
