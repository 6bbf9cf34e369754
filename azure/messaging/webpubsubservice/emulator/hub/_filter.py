"""Filter expressions: the OData subset by which REST calls choose connections.

Text comes in, a :class:`Filter` or a :class:`FilterError` with the service's own wording goes out; nothing here knows
of HTTP or of the hub. Parsing is in ``_filter_parser``, the meaning of words in ``_filter_values``; here a parsed
filter is checked, before anything is sent, and run.
"""

from __future__ import annotations

from collections.abc import Sequence

from ._filter_parser import Compiler, Fault, FilterError, FilterSubject, Model, Shown, Step, advance, refusal
from ._filter_values import Mismatch, Value, boolean

__all__ = ["MAX_FILTER_LENGTH", "Filter", "FilterError", "FilterSubject", "parse_filter"]

MAX_FILTER_LENGTH = 64 * 1024


class Filter:
    """A checked filter expression.

    :param str text: The expression.
    :param program: What :func:`parse_filter` made of it; nothing means that every connection matches.
    """

    def __init__(self, text: str, program: Sequence[Step]) -> None:
        self.text: str = text
        self._program = tuple(program)

    def __repr__(self) -> str:
        return f"<Filter {self.text!r}>"

    def matches(self, subject: FilterSubject) -> bool:
        """Return True if the connection is among those the filter chooses."""
        if not self._program:
            return True
        stack: list[Value] = []
        try:
            for step in self._program:
                advance(stack, step, subject)
        except Mismatch:  # parse_filter has seen to it that there is none; a send must not stop halfway
            return False
        return stack[0] is True


def parse_filter(text: str) -> Filter:
    """Return the filter that the text stands for; an empty text chooses every connection.

    :param str text: Filter expression, at most 65,536 characters, nested at most 100 deep.
    :raises FilterError: if it is not a well-formed, well-typed boolean expression.
    """
    if len(text) > MAX_FILTER_LENGTH:
        raise FilterError(f"The filter is longer than {MAX_FILTER_LENGTH} characters. (Parameter 'filter')")
    if not text:
        return Filter(text, ())
    compiler = Compiler(text)
    compiler.compile()
    for model in _MODELS:
        error = _check(text, compiler.program, compiler.faults, model)
        if error is not None:
            raise error
    return Filter(text, compiler.program)


# The service checks against an anonymous connection only. The second model finds what would go wrong later, on the
# first connection that has a user, when part of the message is already out.
_MODELS = (Model(None, None), Model("", ""))


def _check(text: str, program: Sequence[Step], faults: dict[int, Fault], model: Model) -> FilterError | None:
    """Run the program on a model; return what the service would say against it."""
    stack: list[Value] = []
    index = 0
    try:
        for index, step in enumerate(program):
            if index in faults:
                shown = _quoted(program, faults[index].end)
                return refusal(shown or text, faults[index].detail(shown or text))
            advance(stack, step, model)
        boolean(stack[0])
    except Mismatch as mismatch:
        shown = _quoted(program, index, own=mismatch.own) or text
        return refusal(shown, mismatch.detail or f"Invalid token '{shown}'.")
    return None


def _quoted(program: Sequence[Step], at: int, *, own: bool = True) -> str | None:
    """Print the expression that ends with the step ``at``, or the nearest one around it that reports it."""
    stack: list[tuple[Shown, bool]] = []
    for index, step in enumerate(program):
        cut = len(stack) - step.arity
        operands = stack[cut:]
        shown = step.show([operand for operand, _ in operands])
        if index == at and own:
            return shown.text
        around = any(within for _, within in operands)
        if around and step.reports:
            return shown.text
        stack[cut:] = [(shown, around or index == at)]
    return None
