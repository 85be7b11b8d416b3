"""Rules for reasoning that comes back."""

from __future__ import annotations

from collections.abc import Iterator

from threadmill.testing.standin import reasoning
from threadmill.testing.standin.rules.rule import (
    RESPONSES_ONLY,
    Inspection,
    Json,
    Violation,
    rule,
)

_FOLLOWING = frozenset(
    {
        "function_call",
        "reasoning",
        "code_interpreter_call",
        "file_search_call",
        "web_search_call",
    }
)


@rule(
    "reasoning without its encrypted content or summary: nothing is kept that its id stands for",
    source="https://github.com/openai/openai-agents-python/issues/2020",
    apis=RESPONSES_ONLY,
    status=404,
)
def reasoning_whole(request: Inspection) -> Iterator[Violation]:
    """Find reasoning that names what is not kept."""
    for place, item in _reasoning(request):
        if item.get("encrypted_content") or item.get("content"):
            if not isinstance(item.get("summary"), list):
                where = f"{place}.summary"
                yield Violation(
                    f"Missing required parameter: '{where}'.", where, "missing_required_parameter"
                )
            continue
        yield Violation(
            f"Item with id '{item.get('id')}' not found. Items are not persisted when `store` is "
            "set to false. Try again with `store` set to true, or remove this item from your "
            "input.",
            "input",
        )


@rule(
    "reasoning of another model, and encrypted content that the provider never gave",
    source="https://github.com/openai/codex/issues/8100; "
    "https://github.com/Wei-Shaw/sub2api/issues/2863",
    apis=RESPONSES_ONLY,
)
def reasoning_origin(request: Inspection) -> Iterator[Violation]:
    """Find reasoning that this model cannot read."""
    model, given = request.request.model, request.hosting.given_reasoning
    for place, item in _reasoning(request):
        content = item.get("encrypted_content")
        if (
            isinstance(content, str)
            and content
            and not reasoning.is_readable(model, content, given)
        ):
            yield Violation(
                f"The encrypted content for item {item.get('id')} could not be verified. Reason: "
                "Encrypted content could not be decrypted or parsed.",
                place,
                "invalid_encrypted_content",
            )


@rule(
    "reasoning that nothing of the model's follows",
    source="https://github.com/continuedev/continue/issues/8933",
    apis=RESPONSES_ONLY,
)
def reasoning_followed(request: Inspection) -> Iterator[Violation]:
    """Find reasoning at the end, or before somebody else's item."""
    items = [item for _, item in request.items]
    for item, later in zip(items, [*items[1:], None], strict=False):
        if item.get("type") != "reasoning" or (later is not None and _is_models(later)):
            continue
        yield Violation(
            f"Item '{item.get('id')}' of type 'reasoning' was provided without its required "
            "following item.",
            "input",
        )


def _reasoning(request: Inspection) -> list[tuple[str, Json]]:
    return [(place, item) for place, item in request.items if item.get("type") == "reasoning"]


def _is_models(item: Json) -> bool:
    return item.get("type") in _FOLLOWING or item.get("role") == "assistant"
