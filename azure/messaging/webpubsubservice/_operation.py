"""How an operation, written once, becomes a method of both clients.

An operation is a function that takes the client and the caller's arguments and returns a value: a ``Call``, which is
the request and how to read its answer, or a ``Done``, which is a result that needed no request. Each client class turns
every operation into a method of its own colour when the class is made, so that nothing is paid for it at a call. To a
type checker an operation is a descriptor, whose type depends on the client that it is read from.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine

from ._typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar, overload

if TYPE_CHECKING:
    from azure.core.rest import HttpRequest

    from ._client import WebPubSubServiceClient
    from ._operations import Operations
    from .aio._client import WebPubSubServiceClient as AsyncWebPubSubServiceClient

P = ParamSpec("P")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Call(Generic[T_co]):
    """A request to make, the options of the call, and the function that reads the answer."""

    __slots__ = ("options", "read", "request")

    def __init__(self, request: HttpRequest, read: Callable[[Any], T_co], options: dict[str, Any]) -> None:
        self.request = request
        self.read = read
        self.options = options


class Done(Generic[T_co]):
    """A result that is there already."""

    __slots__ = ("result",)

    def __init__(self, result: T_co) -> None:
        self.result = result


Result = Call[T] | Done[T]


class operation(Generic[P, T]):  # noqa: N801 - used as a decorator, and named as one
    """Marks a function that says what a method of both clients does."""

    def __init__(self, build: Callable[Concatenate[Operations, P], Result[T]]) -> None:
        self.build = build
        # What help() and inspect.signature show is what the method gives: T, and not Result[T].
        build.__annotations__["return"] = build.__annotations__["return"].removeprefix("Result[").removesuffix("]")

    @overload
    def __get__(self, client: WebPubSubServiceClient, owner: type | None = None) -> Callable[P, T]: ...
    @overload
    def __get__(
        self, client: AsyncWebPubSubServiceClient, owner: type | None = None
    ) -> Callable[P, Coroutine[Any, Any, T]]: ...
    @overload
    def __get__(self, client: None, owner: type | None = None) -> Callable[..., Any]: ...
    def __get__(self, client: Any, owner: type | None = None) -> Any:
        """Return the function itself; the client classes hold the methods made from it."""
        return self.build


def install(operations: type, client: type, method: Callable[[Callable[..., Result[Any]]], Any]) -> None:
    """Give the class ``client`` a method for each operation that the class ``operations`` declares.

    :param operations: The class that declares them.
    :param client: The class that gets the methods.
    :param method: Makes a method, blocking or not, from the function that was decorated.
    """
    for name, declared in vars(operations).items():
        if isinstance(declared, operation):
            made = method(declared.build)
            made.__name__ = name
            made.__qualname__ = f"{client.__name__}.{name}"
            made.__module__ = client.__module__
            made.__doc__ = declared.build.__doc__
            # inspect.signature follows this, so nothing has to import 'inspect' here, which takes 10 ms.
            made.__wrapped__ = declared.build
            setattr(client, name, made)
