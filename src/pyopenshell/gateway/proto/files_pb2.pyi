from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class FileKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FILE_KIND_UNSPECIFIED: _ClassVar[FileKind]
    FILE_KIND_FILE: _ClassVar[FileKind]
    FILE_KIND_FOLDER: _ClassVar[FileKind]
    FILE_KIND_LINK: _ClassVar[FileKind]
FILE_KIND_UNSPECIFIED: FileKind
FILE_KIND_FILE: FileKind
FILE_KIND_FOLDER: FileKind
FILE_KIND_LINK: FileKind

class UploadStart(_message.Message):
    __slots__ = ("workspace", "sandbox", "destination", "name")
    WORKSPACE_FIELD_NUMBER: _ClassVar[int]
    SANDBOX_FIELD_NUMBER: _ClassVar[int]
    DESTINATION_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    workspace: str
    sandbox: str
    destination: bytes
    name: bytes
    def __init__(self, workspace: _Optional[str] = ..., sandbox: _Optional[str] = ..., destination: _Optional[bytes] = ..., name: _Optional[bytes] = ...) -> None: ...

class DownloadRequest(_message.Message):
    __slots__ = ("workspace", "sandbox", "path")
    WORKSPACE_FIELD_NUMBER: _ClassVar[int]
    SANDBOX_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    workspace: str
    sandbox: str
    path: bytes
    def __init__(self, workspace: _Optional[str] = ..., sandbox: _Optional[str] = ..., path: _Optional[bytes] = ...) -> None: ...

class FileEntry(_message.Message):
    __slots__ = ("path", "kind", "mode", "changed_ns", "size", "target")
    PATH_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    CHANGED_NS_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    path: bytes
    kind: FileKind
    mode: int
    changed_ns: int
    size: int
    target: bytes
    def __init__(self, path: _Optional[bytes] = ..., kind: _Optional[_Union[FileKind, str]] = ..., mode: _Optional[int] = ..., changed_ns: _Optional[int] = ..., size: _Optional[int] = ..., target: _Optional[bytes] = ...) -> None: ...

class FileEnd(_message.Message):
    __slots__ = ("problem",)
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    problem: str
    def __init__(self, problem: _Optional[str] = ...) -> None: ...

class FileNotice(_message.Message):
    __slots__ = ("path", "message", "missing")
    PATH_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    MISSING_FIELD_NUMBER: _ClassVar[int]
    path: bytes
    message: str
    missing: bool
    def __init__(self, path: _Optional[bytes] = ..., message: _Optional[str] = ..., missing: bool = ...) -> None: ...

class TransferSummary(_message.Message):
    __slots__ = ("files", "folders", "links", "bytes", "path")
    FILES_FIELD_NUMBER: _ClassVar[int]
    FOLDERS_FIELD_NUMBER: _ClassVar[int]
    LINKS_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    files: int
    folders: int
    links: int
    bytes: int
    path: bytes
    def __init__(self, files: _Optional[int] = ..., folders: _Optional[int] = ..., links: _Optional[int] = ..., bytes: _Optional[int] = ..., path: _Optional[bytes] = ...) -> None: ...

class FileFrame(_message.Message):
    __slots__ = ("start", "entry", "data", "end", "notice", "summary")
    START_FIELD_NUMBER: _ClassVar[int]
    ENTRY_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    NOTICE_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    start: UploadStart
    entry: FileEntry
    data: bytes
    end: FileEnd
    notice: FileNotice
    summary: TransferSummary
    def __init__(self, start: _Optional[_Union[UploadStart, _Mapping]] = ..., entry: _Optional[_Union[FileEntry, _Mapping]] = ..., data: _Optional[bytes] = ..., end: _Optional[_Union[FileEnd, _Mapping]] = ..., notice: _Optional[_Union[FileNotice, _Mapping]] = ..., summary: _Optional[_Union[TransferSummary, _Mapping]] = ...) -> None: ...
