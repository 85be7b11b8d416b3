"""Rules for the values of parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from threadmill.testing.standin.rules.rule import (
    BOTH,
    CHAT_ONLY,
    OPENAI_PACKAGE,
    OPENAI_REFERENCE,
    RESPONSES_ONLY,
    Inspection,
    Violation,
    not_one_of,
    rule,
    too_long,
)

_RANGES: dict[str, tuple[float, float]] = {
    "temperature": (0, 2),
    "top_p": (0, 1),
    "presence_penalty": (-2, 2),
    "frequency_penalty": (-2, 2),
    "top_logprobs": (0, 20),
    "n": (1, 128),
}
_LEAST = {"max_output_tokens": 16, "max_tokens": 1, "max_completion_tokens": 1, "max_tool_calls": 1}
_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_VALUES: dict[str, tuple[str, ...]] = {
    "reasoning.effort": _EFFORTS,
    "reasoning_effort": _EFFORTS,
    "reasoning.summary": ("auto", "concise", "detailed"),
    "text.verbosity": ("low", "medium", "high"),
    "verbosity": ("low", "medium", "high"),
    "service_tier": ("auto", "default", "flex", "scale", "priority", "fast"),
    "truncation": ("auto", "disabled"),
}
INCLUDABLE = frozenset(
    {
        "code_interpreter_call.outputs",
        "computer_call_output.output.image_url",
        "file_search_call.results",
        "message.input_image.image_url",
        "message.output_text.logprobs",
        "reasoning.encrypted_content",
        "web_search_call.action.sources",
        "web_search_call.results",
    }
)
"""What `include` may name."""
_LENGTHS = {"safety_identifier": 64, "prompt_cache_key": 64}
_PAIRS, _KEY, _VALUE = 16, 64, 512


@rule(
    "temperature, top_p, penalties, top_logprobs and n outside their ranges",
    source=OPENAI_REFERENCE,
)
def number_ranges(request: Inspection) -> Iterator[Violation]:
    """Find numbers that are too small or too large."""
    for name, (least, most) in _RANGES.items():
        value = request.body.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float):
            yield Violation(
                f"Invalid type for '{name}': expected a decimal, but got something else instead.",
                name,
                "invalid_type",
            )
        elif value < least:
            yield _below(name, "decimal", least, value)
        elif value > most:
            yield Violation(
                f"Invalid '{name}': decimal above maximum value. Expected a value <= {most}, but "
                f"got {value} instead.",
                name,
                "decimal_above_max_value",
            )


@rule(
    "limits of tokens that are too low: below 16 in the Responses API, below 1 in Chat",
    source="https://github.com/vectorize-io/hindsight/issues/58",
    apis=BOTH,
)
def token_limits(request: Inspection) -> Iterator[Violation]:
    """Find limits that no answer fits."""
    for name, least in _LEAST.items():
        value = request.body.get(name)
        if isinstance(value, int) and value < least:
            yield _below(name, "integer", least, value)


@rule("max_tokens beside max_completion_tokens", source=OPENAI_REFERENCE, apis=CHAT_ONLY)
def two_token_limits(request: Inspection) -> Iterator[Violation]:
    """Find a limit that is given twice."""
    names = ("max_tokens", "max_completion_tokens")
    if all(request.body.get(name) is not None for name in names):
        yield Violation(
            "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.",
            "max_tokens",
            "invalid_parameter_combination",
        )


@rule("effort, verbosity, tier and truncation that are not known", source=OPENAI_PACKAGE)
def known_values(request: Inspection) -> Iterator[Violation]:
    """Find words that the API does not know."""
    for name, known in _VALUES.items():
        value = _at(request.body, name)
        if value is not None and value not in known:
            yield not_one_of(name, value, known)


@rule("names in `include` that are not known", source=OPENAI_PACKAGE, apis=RESPONSES_ONLY)
def known_includes(request: Inspection) -> Iterator[Violation]:
    """Find what cannot be included."""
    included = request.body.get("include")
    for index, name in enumerate(included if isinstance(included, list) else ()):
        if str(name) not in INCLUDABLE:
            yield not_one_of(f"include[{index}]", name, INCLUDABLE)


@rule(
    "metadata with more than 16 pairs, keys over 64 or values over 512 characters",
    source=OPENAI_REFERENCE,
)
def metadata_limits(request: Inspection) -> Iterator[Violation]:
    """Find metadata that is too large."""
    metadata = request.body.get("metadata")
    if not isinstance(metadata, Mapping):
        return
    if len(metadata) > _PAIRS:
        yield Violation(
            f"Invalid 'metadata': too many properties. Expected an object with at most {_PAIRS} "
            f"properties, but got an object with {len(metadata)} properties instead.",
            "metadata",
            "object_above_max_properties",
        )
    for key, value in metadata.items():
        if len(key) > _KEY:
            yield too_long("metadata", len(key), _KEY)
        if not isinstance(value, str):
            yield Violation(
                f"Invalid type for 'metadata.{key}': expected a string, but got something else "
                "instead.",
                f"metadata.{key}",
                "invalid_type",
            )
        elif len(value) > _VALUE:
            yield too_long(f"metadata.{key}", len(value), _VALUE)


@rule("identifiers over 64 characters", source=OPENAI_REFERENCE)
def identifier_lengths(request: Inspection) -> Iterator[Violation]:
    """Find identifiers that are too long."""
    for name, limit in _LENGTHS.items():
        value = request.body.get(name)
        if isinstance(value, str) and len(value) > limit:
            yield too_long(name, len(value), limit)


@rule(
    "stream_options without stream",
    source="https://github.com/BerriAI/litellm/issues/5803",
)
def stream_options(request: Inspection) -> Iterator[Violation]:
    """Find options of a stream that is not asked for."""
    if request.body.get("stream_options") and not request.request.stream:
        yield Violation(
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
            "stream_options",
        )


def _at(body: Mapping[str, Any], path: str) -> Any:
    value: Any = body
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _below(name: str, kind: str, least: float, value: object) -> Violation:
    return Violation(
        f"Invalid '{name}': {kind} below minimum value. Expected a value >= {least}, but got "
        f"{value} instead.",
        name,
        f"{kind}_below_min_value",
    )
