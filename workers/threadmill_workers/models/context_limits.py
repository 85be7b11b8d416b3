"""Whether a provider says that a request is too long, in any server's words.

There is no common code. Servers differ in status, code and wording, and some have no code at all.
So all of them are looked for in the code, the type and the message. What is too long may also be
something else (an id, a description, the answer that was asked for): that is no reason to leave
out what was said.
"""

from __future__ import annotations

import re

_CODES = re.compile(
    r"context_((length|window|size|limit)_?)?exceed|exceeds?_(the_)?context|contextwindowexceeded"
    r"|contextlength|(prompt|input|context|conversation)_too_(long|large)|tokens_limit_reached"
    r"|model_context_window|max_prompt_tokens_exceeded"
)

_CONTEXT = r"context[ _-]?(length|window|size|limit|budget)"
_OVER = r"(exceed\w*|longer than|larger than|greater than|over|beyond)"
_BE = r"( (that )?you \w+)?( (length|size|text|tokens?|has|have))?( is| are| was| were|:)?"
_LIMITS = r"(context|tokens?|(prompt|input) length|(maximum|max|limit) (of )?[\d,]+)"
_LENGTH = (
    # "prompt is too long", "Input is too long for requested model", "the conversation was too long"
    (
        rf"\b(prompt|inputs?|context|conversation|(chat|message) history|messages){_BE}"
        rf"( \w+){{0,2}} too (long|large|big)\b"
    ),
    # "maximum context length", "exceeds the context window", "the available context size"
    (
        rf"\b(max(imum)?|model|model'?s|available|configured|supported|{_OVER}|into|fit|within)\b"
        rf".{{0,60}}\b{_CONTEXT}\b"
    ),
    rf"\b{_CONTEXT}\b.{{0,40}}\b(exceed\w*|overflow\w*|full|reached|is only|too small)\b",
    # "maximum prompt length is 131072", "maximum allowed input length", "maximum model length"
    r"\bmax(imum)? (allowed |supported )?(prompt|input|model|sequence) (length|size|tokens)\b",
    rf"\b(prompt|input|request|message|conversation)s?\b.{{0,60}}\b{_OVER}\b.{{0,60}}\b{_LIMITS}",
    r"\b(prompt|input|request|message|conversation)s?\b.{0,60}\btokens?\b.{0,30}\bexceed",
    rf"\b{_OVER}\b.{{0,60}}\b(maximum|max|limit\w*|number)\b.{{0,40}}\b(input|prompt)\b",
    r"\bexceed\w* (the )?(model'?s? )?(max )?(token limit|(maximum number of )?(input )?tokens)\b",
    r"\b(reduce|shorten|decrease|trim)\b.{0,30}\b(prompt|input|messages|conversation|context)\b",
    r"\brange of input length\b",
    r"\binputs?\W? tokens \+",  # "`inputs` tokens + `max_new_tokens` must be <= 8193"
    r"\b(body|prompt|input)?\b.{0,40}\btoo large for (the )?([\w.:/-]+ )?model\b",
    r"\btoo many (input|prompt|context) tokens\b",
    r"\b(prompt|input)\b.{0,30}\btoo many tokens\b",
    r"(上下文|输入|提示|prompt).{0,16}(超出|超过|超长|过长|超限)",
    r"(超出|超过).{0,16}(上下文|最大长度|输入)",
)
_TOKENS = (r"\btoo many tokens\b", r"\btoken limit (was |has been |is )?exceeded\b")
"""Said of a request that is too long, and at a rate limit of many."""

_BYTES = (
    r"\b(payload|entity|content|body|request)\b( \w+){0,3} (too large|exceeds)",
    r"\bexceed\w* .{0,40}\b(bytes|mb|kb|mib)\b",
    r"\brequest_too_large\b",
)
_OTHER = (
    r"\b(string|array|object|list|value|name|id|description) (is )?too (long|large|many)\b",
    r"\b(string|array)_above_max",
    r"\btools?\b(\[\d+\]|\.\d+)",
    r"\b(call_id|tool_call_id|tool_calls|metadata|description)\b",
    r"\brange of max_tokens\b",
    r"\b(reduce|fewer|at most|too many|maximum)\b.{0,20}\bimages?\b",
)
"""Something else is too long."""

_RATE = re.compile(r"\b(rate limit|quota|per (second|min(ute)?|hour|day|month))\b")
_HOPELESS = re.compile(r"\blimit:? ([\d,]+)\b.*?\brequested:? ([\d,]+)", re.DOTALL)
_NO_ROOM = re.compile(r"\bmax_\w*tokens must be at least 1, got -\d")
"""What the prompt leaves of vLLM's context for an answer."""
_LIMIT = re.compile(r"context (?:length|window|size|limit)(?: is| of|:)? (?:only )?([\d,]+)")
_ANSWER = re.compile(
    r"too large: ([\d,]+)|([\d,]+) (?:output|completion) tokens|([\d,]+) (?:in|for) the completion"
)


def _any_of(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns), re.DOTALL)


_LENGTHS, _ANY_LENGTH = _any_of(_LENGTH), _any_of((*_LENGTH, *_TOKENS))
_SIZES, _OTHERS = _any_of(_BYTES), _any_of(_OTHER)


def says_too_long(status: int | None, words: tuple[str, ...], message: str) -> bool:
    """Whether a shorter conversation would have fitted into the model's context.

    Args:
        status: the HTTP status, if there is one.
        words: code and type, as the provider wrote them.
        message: its text.
    """
    if status in (401, 403):
        return False
    if any(_CODES.search(word.lower()) for word in words):
        return True
    text = message.lower()
    if _CODES.search(text) or _NO_ROOM.search(text) or _is_hopeless(text):
        return True
    if _OTHERS.search(text) or _blames_answer(text):
        return False
    if status == 429:  # other requests count, too
        return _RATE.search(text) is None and _LENGTHS.search(text) is not None
    return _ANY_LENGTH.search(text) is not None


def says_too_large(status: int | None, words: tuple[str, ...], message: str) -> bool:
    """Whether the request has too many bytes, as `says_too_long`."""
    if status == 413:
        return True
    if status not in (None, 400, 422):
        return False
    text = " ".join((*words, message)).lower()
    return _SIZES.search(text) is not None and _OTHERS.search(text) is None


def _is_hopeless(text: str) -> bool:
    """Whether one request is larger than a rate limit lets through in a whole period."""
    if "token" not in text:
        return False
    found = _HOPELESS.search(text)
    if found is None:
        return text.startswith("request too large")
    limit, requested = map(_number, found.groups())
    return requested > limit > 0


def _blames_answer(text: str) -> bool:
    """Whether the answer that is asked for is too long by itself."""
    answers = [_number(found) for match in _ANSWER.findall(text) for found in match if found]
    limit = _LIMIT.search(text)
    if limit is not None:
        return any(answer >= _number(limit[1]) for answer in answers)
    names_answer = re.search(r"max_\w*tokens|(completion|output) tokens", text)
    names_input = re.search(r"\b(inputs?|prompt|messages|context)\b", text)
    return names_answer is not None and names_input is None


def _number(digits: str) -> int:
    # Longer ones are no numbers of tokens, and int() refuses very long ones.
    return int(digits.replace(",", "")[:18] or "0")
