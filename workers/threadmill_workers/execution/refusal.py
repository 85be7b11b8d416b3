"""What a provider's refusal of a request tells of its cause."""

from __future__ import annotations

import re

from threadmill_shared.errors import ContextTooLong, ModelRefused
from threadmill_workers.execution.reduction import PartKind

_STATUSES = frozenset({None, 400, 404, 413, 422, 500})
"""With none, it was reported inside a stream. With 500, only if it names what it refuses."""
_RARE_STATUSES = frozenset({403, 415, 451})
"""Mostly of the key; some providers refuse contents with them, and say so."""
_CONTENTS = re.compile(
    r"moderat|\bflagged\b|\bpolic(y|ies)\b|\bguidelines\b|\bviolat|\bsafety\b|inappropriate"
    r"|content_filter|\b(prompt|input|content)\b.{0,30}\b(blocked|rejected)\b",
    re.IGNORECASE | re.DOTALL,
)
"""Said of what somebody has written."""
_HISTORY = re.compile(
    r"(body[.\[])?(input|messages?|prompt|contents?|conversation|history|url|image\w*|input_\w+"
    r"|file\w*|audio|container\w*)\b",
    re.IGNORECASE,
)
_PLACE = re.compile(r"\b(input|messages|contents)([.\[]+|', )\d", re.IGNORECASE)
"""The last form is Python's: `('body', 'messages', 3)`."""
_OTHER_CODES = frozenset(
    (
        "model_not_found",
        "invalid_model",
        "model_not_supported",
        "model_not_available",
        "dedicated_endpoint_not_running",
        "invalid_api_key",
        "insufficient_quota",
        "billing_hard_limit_reached",
        "unsupported_parameter",
        "unknown_parameter",
        "unsupported_country_region_territory",
    )
)
_NAMED = re.compile(
    r"\b(?:unknown|unsupported|unrecognized|invalid|missing|extra)(?: request)?"
    r" (?:parameter|argument)s?(?: supplied)?(?::\s*|\s+(?=['\"`]))['\"`]?([\w.\[\]-]+)",
    re.IGNORECASE,
)
"""What is called a parameter; some call parts of the conversation so, or the whole request."""
_OF_HISTORY = re.compile(
    r"(messages?|inputs?|contents?|prompt|conversation|history|image\w*|input_\w+|files?"
    r"|(file|vector_store)_ids?|tool_calls?|(tool_)?call_id|roles?|thought\w*|thinking_blocks"
    r"|reasoning_(content|details)|encrypted_content|content\w*)([.\[].*)?",
    re.IGNORECASE,
)
"""Names of parts of the conversation."""
_OTHER = re.compile(
    r"\b(temperature|top_p|top_k|max_(completion_|output_|new_)?tokens|tool_choice|verbosity"
    r"|parallel_tool_calls|response_format|stream_options|reasoning[_.]effort|service_tier"
    r"|safety_identifier|presence_penalty|logprobs|extra_body)\b"
    r"|\btools[.\[]\d|\bfunctions?\[\d|\btext\.format\b|\bschema for\b"
    r"|\btool choice\b|--enable-|\bapi-version\b|\bbudget_\w|\bbudget has\b|\bextra_forbidden\b"
    r"|\bunknown name\b.{0,80}\bcannot find field\b"
    r"|\bnot support (tools?|tool use|function call\w*|thinking|param\w*)\b"
    r"|\bmodels?\b.{0,80}\b(not found|not exist|unknown|no access)\b"
    r"|\b(unknown|invalid|no such|unsupported|non-serverless) model\b|\bnot a valid model\b"
    r"|\b(no models?|model (is )?(not|un)) ?loaded\b",
    re.IGNORECASE | re.DOTALL,
)
_UNSUPPORTED = re.compile(
    r"\bmodel\b.{0,80}\bnot supported\b|\bno endpoints? found\b|\bapi[ _]key\b",
    re.IGNORECASE | re.DOTALL,
)
"""Of the model itself, or the key, unless it is said of something that earlier turns left."""
_FILES_OF_TOOLS = re.compile(r"\b(file|vector_store)_ids?\b")
"""Parameters that name what is attached to messages."""
_HINTS = {
    PartKind.REASONING: r"reasoning|encrypted|thinking|thought|\brs_",
    PartKind.HOSTED_CALLS: r"container|code.interpreter|file.search|web.search|\b(ci|fs|ws|cntr)_",
    PartKind.FILES: r"\bimages?\b|vision|multimodal|image_url|input_image|input_file|vector.store"
    r"|\bfiles?\b",
    PartKind.LONG_OUTPUTS: r"string too long|above_max_length|tool (output|result)s?"
    r"|\]\.output\b|\bbytes\b",
    PartKind.TURNS: r"\barray too long|array_above_max|\btoo many (messages|items|turns)\b"
    rf"|\broles?\b|{_CONTENTS.pattern}",
}
_KINDS = {kind: re.compile(words, re.IGNORECASE) for kind, words in _HINTS.items()}
_READ = 1000
"""Characters of a reason that are compared."""
_VARIES = re.compile(r"\b\w*[_-]?\w*\d[\w-]*|\d+")
"""Ids and numbers, which differ although the reason is the same."""


def may_be_of_history(error: ModelRefused) -> bool:
    """Whether what earlier turns left can be the cause: not if it names model, key or parameter."""
    if error.status not in _STATUSES and not _is_of_contents(error):
        return False
    if _PLACE.search(error.param) or _PLACE.search(error.reason):
        return True  # also if it is called a parameter there
    named = None if error.param else _NAMED.search(error.reason)
    if named is not None:
        return _OF_HISTORY.fullmatch(named[1]) is not None
    if error.code in _OTHER_CODES or not (error.status or error.code or error.reason):
        return False  # with none of these, it is no provider's
    if error.param:
        is_of_files = _FILES_OF_TOOLS.search(error.param) is not None
        return is_of_files or _HISTORY.match(error.param) is not None
    return not _OTHER.search(error.reason) and not _blames_model(error)


def _is_of_contents(error: ModelRefused) -> bool:
    """Whether a status that is mostly of the key is said of the contents."""
    return error.status in _RARE_STATUSES and bool(suspect_kinds(error))


def _blames_model(error: ModelRefused) -> bool:
    """Whether the model, or the URL, is the cause, and not what the model was sent."""
    if suspect_kinds(error):
        return False
    is_of_items = re.search(r"\b(item|message|call)s?\b", error.reason, re.IGNORECASE)
    if error.status == 404 and not is_of_items:
        return True
    return _UNSUPPORTED.search(error.reason) is not None


def suspect_kinds(error: ModelRefused | ContextTooLong) -> list[PartKind]:
    """The kinds that the provider's words point at, in the order in which they are tried."""
    if isinstance(error, ContextTooLong):
        return []
    text = f"{error.code} {error.param} {error.reason}"
    return [kind for kind, words in _KINDS.items() if words.search(text)]


def blames_request(error: ModelRefused) -> bool:
    """Whether an error is of what was sent, and not of an answer that has begun."""
    if any(kind is not PartKind.TURNS for kind in suspect_kinds(error)):
        return True
    text = f"{error.code} {error.param} {error.reason}"
    return re.search(r"\b(prompt|input)\b|_prompt\b", text, re.IGNORECASE) is not None


def cause_of(error: ModelRefused | ContextTooLong) -> str:
    """The same text for refusals with the same reason."""
    if isinstance(error, ContextTooLong):
        return f"too long, {error.in_bytes}"
    parts = (error.code, error.param, error.reason[:_READ])
    return "|".join([str(error.status), *(_VARIES.sub("#", part) for part in parts)])
