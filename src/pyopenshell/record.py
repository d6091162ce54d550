"""Immutable values with named fields, cheap enough for the cold path of ``openshell run``.

``dataclasses`` alone costs more than a whole interpreter start (see docs/decisions/0002), so the models
of this package share this base instead. It is typed by PEP 681: checkers see ordinary frozen dataclasses.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self, dataclass_transform
else:

    def dataclass_transform(**_options: object):  # type: ignore[no-untyped-def]  # noqa: ANN201
        """Stand in for ``typing.dataclass_transform`` at run time."""
        return lambda cls: cls


@dataclass_transform(frozen_default=True, eq_default=True)
class Record:
    """A frozen value. Fields are the class's annotations, in order; class attributes are defaults.

    Equality is by type and fields. Mutable defaults are not copied: use tuples.
    """

    _fields: tuple[str, ...] = ()

    def __init_subclass__(cls) -> None:
        """Collect the fields of the class and of its bases."""
        inherited = tuple(name for base in reversed(cls.__mro__[1:]) for name in base.__dict__.get("_own", ()))
        own = tuple(name for name in cls.__annotations__ if not name.startswith("_"))
        cls._own = own  # type: ignore[attr-defined]
        cls._fields = tuple(dict.fromkeys(inherited + own))

    if not TYPE_CHECKING:

        def __init__(self, *args: object, **values: object) -> None:
            """Take fields by position or name; complain exactly as a function call would."""
            cls = type(self)
            if len(args) > len(cls._fields):
                raise TypeError(f"{cls.__name__} takes {len(cls._fields)} fields, got {len(args)}")
            state = dict(zip(cls._fields, args, strict=False))
            for name, value in values.items():
                if name not in cls._fields or name in state:
                    raise TypeError(f"{cls.__name__}: unexpected or repeated field {name!r}")
                state[name] = value
            for name in cls._fields:
                if name not in state:
                    if not hasattr(cls, name):
                        raise TypeError(f"{cls.__name__}: field {name!r} is missing")
                    state[name] = getattr(cls, name)
            self.__dict__.update(state)

    def __setattr__(self, name: str, value: object) -> None:
        """Refuse: records do not change."""
        raise AttributeError(f"{type(self).__name__} is immutable: cannot set {name!r}")

    __delattr__ = __setattr__  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        """Compare type and fields."""
        return type(self) is type(other) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        """Hash the fields (they must be hashable)."""
        return hash((type(self), tuple(self.__dict__.values())))

    def __repr__(self) -> str:
        """Show every field by name."""
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in self._fields)})"

    def replace(self, **changes: Any) -> Self:
        """Return a copy with some fields changed."""
        return type(self)(**{**self.__dict__, **changes})

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as plain dicts, lists and scalars, ready for JSON."""
        return {name: plain(getattr(self, name)) for name in self._fields}


def plain(value: object) -> Any:
    """Turn records and tuples, at any depth, into dicts and lists."""
    if isinstance(value, Record):
        return value.as_dict()
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value
