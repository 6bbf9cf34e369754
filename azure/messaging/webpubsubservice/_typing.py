"""What the modules of a cold start take from ``typing``, which takes a fifth of that start to load.

Checkers see typing's own. No type is made of the stand-ins that a user could get hold of: the public ``TypedDict``
classes are in ``_models`` and ``_options``, which are loaded when somebody asks for them.
"""

TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import IO, Any, Concatenate, Generic, NoReturn, ParamSpec, TypeVar, overload
else:
    # For annotations, which nothing evaluates.
    IO = Any = Concatenate = NoReturn = None

    class Generic:
        """A base class that may be subscripted."""

        def __class_getitem__(cls, _: Any) -> type:
            return cls

    def TypeVar(name: str, **_: Any) -> str:  # noqa: N802 - typing's name
        """Return something to subscript with."""
        return name

    ParamSpec = TypeVar

    def overload(function: Any) -> Any:
        """Leave a signature that only checkers read."""
        return function


__all__ = ["IO", "TYPE_CHECKING", "Any", "Concatenate", "Generic", "NoReturn", "ParamSpec", "TypeVar", "overload"]
