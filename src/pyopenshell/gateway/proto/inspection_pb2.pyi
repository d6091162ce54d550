from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetEffectivePolicyRequest(_message.Message):
    __slots__ = ("workspace", "sandbox", "revision")
    WORKSPACE_FIELD_NUMBER: _ClassVar[int]
    SANDBOX_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    workspace: str
    sandbox: str
    revision: int
    def __init__(self, workspace: _Optional[str] = ..., sandbox: _Optional[str] = ..., revision: _Optional[int] = ...) -> None: ...

class GetEffectivePolicyResponse(_message.Message):
    __slots__ = ("declared_yaml", "effective_json", "revision", "active_revision", "policy_hash")
    DECLARED_YAML_FIELD_NUMBER: _ClassVar[int]
    EFFECTIVE_JSON_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_REVISION_FIELD_NUMBER: _ClassVar[int]
    POLICY_HASH_FIELD_NUMBER: _ClassVar[int]
    declared_yaml: str
    effective_json: str
    revision: int
    active_revision: int
    policy_hash: str
    def __init__(self, declared_yaml: _Optional[str] = ..., effective_json: _Optional[str] = ..., revision: _Optional[int] = ..., active_revision: _Optional[int] = ..., policy_hash: _Optional[str] = ...) -> None: ...

class GetReceiptRequest(_message.Message):
    __slots__ = ("workspace", "sandbox")
    WORKSPACE_FIELD_NUMBER: _ClassVar[int]
    SANDBOX_FIELD_NUMBER: _ClassVar[int]
    workspace: str
    sandbox: str
    def __init__(self, workspace: _Optional[str] = ..., sandbox: _Optional[str] = ...) -> None: ...

class GetReceiptResponse(_message.Message):
    __slots__ = ("receipt_json",)
    RECEIPT_JSON_FIELD_NUMBER: _ClassVar[int]
    receipt_json: str
    def __init__(self, receipt_json: _Optional[str] = ...) -> None: ...

class GetInspectionRequest(_message.Message):
    __slots__ = ("workspace", "sandbox")
    WORKSPACE_FIELD_NUMBER: _ClassVar[int]
    SANDBOX_FIELD_NUMBER: _ClassVar[int]
    workspace: str
    sandbox: str
    def __init__(self, workspace: _Optional[str] = ..., sandbox: _Optional[str] = ...) -> None: ...

class GetInspectionResponse(_message.Message):
    __slots__ = ("inspection_json",)
    INSPECTION_JSON_FIELD_NUMBER: _ClassVar[int]
    inspection_json: str
    def __init__(self, inspection_json: _Optional[str] = ...) -> None: ...

class GetFindingsRequest(_message.Message):
    __slots__ = ("workspace", "sandbox")
    WORKSPACE_FIELD_NUMBER: _ClassVar[int]
    SANDBOX_FIELD_NUMBER: _ClassVar[int]
    workspace: str
    sandbox: str
    def __init__(self, workspace: _Optional[str] = ..., sandbox: _Optional[str] = ...) -> None: ...

class Finding(_message.Message):
    __slots__ = ("code", "severity", "message", "hint", "grant")
    CODE_FIELD_NUMBER: _ClassVar[int]
    SEVERITY_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    HINT_FIELD_NUMBER: _ClassVar[int]
    GRANT_FIELD_NUMBER: _ClassVar[int]
    code: str
    severity: str
    message: str
    hint: str
    grant: str
    def __init__(self, code: _Optional[str] = ..., severity: _Optional[str] = ..., message: _Optional[str] = ..., hint: _Optional[str] = ..., grant: _Optional[str] = ...) -> None: ...

class GetFindingsResponse(_message.Message):
    __slots__ = ("findings",)
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    findings: _containers.RepeatedCompositeFieldContainer[Finding]
    def __init__(self, findings: _Optional[_Iterable[_Union[Finding, _Mapping]]] = ...) -> None: ...

class VerifyRequest(_message.Message):
    __slots__ = ("workspace", "sandbox")
    WORKSPACE_FIELD_NUMBER: _ClassVar[int]
    SANDBOX_FIELD_NUMBER: _ClassVar[int]
    workspace: str
    sandbox: str
    def __init__(self, workspace: _Optional[str] = ..., sandbox: _Optional[str] = ...) -> None: ...

class VerifyResponse(_message.Message):
    __slots__ = ("verification_json",)
    VERIFICATION_JSON_FIELD_NUMBER: _ClassVar[int]
    verification_json: str
    def __init__(self, verification_json: _Optional[str] = ...) -> None: ...

class ListSessionsRequest(_message.Message):
    __slots__ = ("workspace", "sandbox")
    WORKSPACE_FIELD_NUMBER: _ClassVar[int]
    SANDBOX_FIELD_NUMBER: _ClassVar[int]
    workspace: str
    sandbox: str
    def __init__(self, workspace: _Optional[str] = ..., sandbox: _Optional[str] = ...) -> None: ...

class Session(_message.Message):
    __slots__ = ("number", "argv", "pid", "running", "exit_code", "signal", "timed_out", "attached", "started_ms", "terminal")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    ARGV_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    RUNNING_FIELD_NUMBER: _ClassVar[int]
    EXIT_CODE_FIELD_NUMBER: _ClassVar[int]
    SIGNAL_FIELD_NUMBER: _ClassVar[int]
    TIMED_OUT_FIELD_NUMBER: _ClassVar[int]
    ATTACHED_FIELD_NUMBER: _ClassVar[int]
    STARTED_MS_FIELD_NUMBER: _ClassVar[int]
    TERMINAL_FIELD_NUMBER: _ClassVar[int]
    number: int
    argv: _containers.RepeatedScalarFieldContainer[str]
    pid: int
    running: bool
    exit_code: int
    signal: int
    timed_out: bool
    attached: int
    started_ms: int
    terminal: bool
    def __init__(self, number: _Optional[int] = ..., argv: _Optional[_Iterable[str]] = ..., pid: _Optional[int] = ..., running: bool = ..., exit_code: _Optional[int] = ..., signal: _Optional[int] = ..., timed_out: bool = ..., attached: _Optional[int] = ..., started_ms: _Optional[int] = ..., terminal: bool = ...) -> None: ...

class ListSessionsResponse(_message.Message):
    __slots__ = ("sessions",)
    SESSIONS_FIELD_NUMBER: _ClassVar[int]
    sessions: _containers.RepeatedCompositeFieldContainer[Session]
    def __init__(self, sessions: _Optional[_Iterable[_Union[Session, _Mapping]]] = ...) -> None: ...

class AttachStart(_message.Message):
    __slots__ = ("workspace", "sandbox", "session", "cols", "rows", "replay")
    WORKSPACE_FIELD_NUMBER: _ClassVar[int]
    SANDBOX_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    COLS_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    REPLAY_FIELD_NUMBER: _ClassVar[int]
    workspace: str
    sandbox: str
    session: int
    cols: int
    rows: int
    replay: bool
    def __init__(self, workspace: _Optional[str] = ..., sandbox: _Optional[str] = ..., session: _Optional[int] = ..., cols: _Optional[int] = ..., rows: _Optional[int] = ..., replay: bool = ...) -> None: ...

class Resize(_message.Message):
    __slots__ = ("cols", "rows")
    COLS_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    cols: int
    rows: int
    def __init__(self, cols: _Optional[int] = ..., rows: _Optional[int] = ...) -> None: ...

class AttachInput(_message.Message):
    __slots__ = ("start", "stdin", "eof", "resize", "signal", "detach")
    START_FIELD_NUMBER: _ClassVar[int]
    STDIN_FIELD_NUMBER: _ClassVar[int]
    EOF_FIELD_NUMBER: _ClassVar[int]
    RESIZE_FIELD_NUMBER: _ClassVar[int]
    SIGNAL_FIELD_NUMBER: _ClassVar[int]
    DETACH_FIELD_NUMBER: _ClassVar[int]
    start: AttachStart
    stdin: bytes
    eof: bool
    resize: Resize
    signal: int
    detach: bool
    def __init__(self, start: _Optional[_Union[AttachStart, _Mapping]] = ..., stdin: _Optional[bytes] = ..., eof: bool = ..., resize: _Optional[_Union[Resize, _Mapping]] = ..., signal: _Optional[int] = ..., detach: bool = ...) -> None: ...

class Attached(_message.Message):
    __slots__ = ("session", "pid", "terminal", "argv")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    TERMINAL_FIELD_NUMBER: _ClassVar[int]
    ARGV_FIELD_NUMBER: _ClassVar[int]
    session: int
    pid: int
    terminal: bool
    argv: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, session: _Optional[int] = ..., pid: _Optional[int] = ..., terminal: bool = ..., argv: _Optional[_Iterable[str]] = ...) -> None: ...

class Ended(_message.Message):
    __slots__ = ("exit_code", "signal", "timed_out")
    EXIT_CODE_FIELD_NUMBER: _ClassVar[int]
    SIGNAL_FIELD_NUMBER: _ClassVar[int]
    TIMED_OUT_FIELD_NUMBER: _ClassVar[int]
    exit_code: int
    signal: int
    timed_out: bool
    def __init__(self, exit_code: _Optional[int] = ..., signal: _Optional[int] = ..., timed_out: bool = ...) -> None: ...

class AttachOutput(_message.Message):
    __slots__ = ("attached", "stdout", "stderr", "ended", "skipped")
    ATTACHED_FIELD_NUMBER: _ClassVar[int]
    STDOUT_FIELD_NUMBER: _ClassVar[int]
    STDERR_FIELD_NUMBER: _ClassVar[int]
    ENDED_FIELD_NUMBER: _ClassVar[int]
    SKIPPED_FIELD_NUMBER: _ClassVar[int]
    attached: Attached
    stdout: bytes
    stderr: bytes
    ended: Ended
    skipped: int
    def __init__(self, attached: _Optional[_Union[Attached, _Mapping]] = ..., stdout: _Optional[bytes] = ..., stderr: _Optional[bytes] = ..., ended: _Optional[_Union[Ended, _Mapping]] = ..., skipped: _Optional[int] = ...) -> None: ...
