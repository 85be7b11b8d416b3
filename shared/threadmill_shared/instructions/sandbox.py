"""Templates that have syntax, rendered by Jinja in a sandbox."""

from __future__ import annotations

from functools import lru_cache
from types import BuiltinMethodType, FunctionType, MethodType, TracebackType
from typing import Any

from jinja2 import StrictUndefined, TemplateSyntaxError, Undefined, UndefinedError
from jinja2 import Template as CompiledTemplate
from jinja2.exceptions import SecurityError
from jinja2.runtime import BlockReference, Context, LoopContext, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Cycler, Joiner, Namespace

from threadmill_shared.errors import BadTemplate
from threadmill_shared.instructions.templates import MAX_RENDERED, too_large

_COMPILED = 256
"""How many compiled templates a process keeps."""
_ERROR_LENGTH = 500
"""The most characters of an exception's message."""

_VALUES = (str, int, float, bytes, list, tuple, dict, set, frozenset)
_SEQUENCES = (str, bytes, list, tuple)
_JINJA_OWN = (Macro, LoopContext, BlockReference, Cycler, Joiner, Undefined)
_JINJA_CLASSES = (dict, Cycler, Joiner, Namespace)


def render(template: str, *, self_: Any, context: dict[str, Any]) -> str:
    """The template with its variables filled in.

    A template can read its variables and call methods of plain values (`self_.name.upper()`); it
    can call nothing else that the variables lead to, and can change nothing.

    Args:
        template: Jinja2 source.
        self_: the assistant: name, tools, metadata, fields of a subclass.
        context: the JSON given at enqueue.

    Raises:
        BadTemplate: it says which line is wrong, and what to do.
    """
    compiled = _compiled(template)
    pieces: list[str] = []
    size = 0
    try:
        for piece in compiled.generate(self_=self_, context=context):
            size += len(piece.encode("utf-8", "replace"))
            if size > MAX_RENDERED:
                break
            pieces.append(piece)
    except Exception as error:
        raise BadTemplate(_explain(error)) from error
    if size > MAX_RENDERED:
        raise too_large()
    return "".join(pieces)


class _Sandbox(ImmutableSandboxedEnvironment):
    """Jinja's sandbox, in which only plain values have methods to call."""

    intercepted_binops = frozenset({"*", "**"})

    def is_safe_callable(self, obj: Any) -> bool:
        # Jinja lets every method be called: `self_.delete()` would work in instructions.
        if isinstance(obj, _JINJA_OWN) or any(obj is known for known in _JINJA_CLASSES):
            return True
        if isinstance(obj, FunctionType):
            return obj is self.globals["range"] or _is_value_method(
                getattr(obj, "__wrapped__", None)
            )
        if isinstance(obj, MethodType):
            return isinstance(obj.__self__, LoopContext | Cycler)
        return _is_value_method(obj)

    def call(self, context: Context, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        # Jinja's message would quote the object, and with it whatever it holds.
        if not self.is_safe_callable(obj):
            name = getattr(obj, "__name__", type(obj).__name__)
            raise SecurityError(f"calling {name!r} is not allowed")
        return context.call(obj, *args, **kwargs)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        size = _power_size(left, right) if operator == "**" else _product_size(left, right)
        if size > MAX_RENDERED:
            raise SecurityError(f"the result of this {operator} is too large")
        return super().call_binop(context, operator, left, right)


# No autoescape: this is text for a model, and HTML entities would garble it.
_sandbox = _Sandbox(undefined=StrictUndefined, autoescape=False)


@lru_cache(maxsize=_COMPILED)
def _compiled(template: str) -> CompiledTemplate:
    try:
        return _sandbox.from_string(template)
    except Exception as error:
        raise BadTemplate(_explain(error)) from error


def _is_value_method(obj: object) -> bool:
    return isinstance(obj, BuiltinMethodType) and isinstance(obj.__self__, _VALUES)


def _product_size(left: Any, right: Any) -> int:
    """Elements of a repeated sequence, or bits of a number."""
    if isinstance(left, _SEQUENCES) and isinstance(right, int):
        return len(left) * right
    if isinstance(right, _SEQUENCES) and isinstance(left, int):
        return len(right) * left
    return _bits(left) + _bits(right)


def _power_size(left: Any, right: Any) -> int:
    return _bits(left) * abs(right) if isinstance(right, int) else 0


def _bits(number: Any) -> int:
    return number.bit_length() if isinstance(number, int) else 0


def _explain(error: Exception) -> str:
    line = error.lineno if isinstance(error, TemplateSyntaxError) else _line(error.__traceback__)
    place = "The instructions" if line is None else f"Line {line} of the instructions"
    text = (str(error) or type(error).__name__)[:_ERROR_LENGTH].rstrip(".")
    if isinstance(error, TemplateSyntaxError):
        return (
            f"{place} cannot be read as a template: {text}. "
            "To write literal braces, use {% raw %}."
        )
    if isinstance(error, UndefinedError):
        return (
            f"{place}: {text}. Available are `self_` (the assistant) and `context` (given at "
            "enqueue); if a value may be missing, use `| default('...')`."
        )
    if isinstance(error, SecurityError):
        return (
            f"{place}: {text}. Templates can only read plain values; "
            "compute the result beforehand and pass it."
        )
    return f"{place} cannot be rendered: {type(error).__name__}: {text}."


def _line(traceback: TracebackType | None) -> int | None:
    """The innermost line of the template itself; Jinja puts its lines into the traceback."""
    line = None
    while traceback is not None:
        if "__jinja_exception__" in traceback.tb_frame.f_globals:
            line = traceback.tb_lineno
        traceback = traceback.tb_next
    return line
