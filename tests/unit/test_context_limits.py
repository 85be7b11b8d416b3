"""Servers say in many ways that a request is too long, and similar things of something else."""

import pytest

from threadmill_workers.models.context_limits import says_too_large, says_too_long

TOO_LONG = [
    "This model's maximum context length is 8192 tokens. However, your messages resulted in 8545.",
    (
        "This model's maximum context length is 4097 tokens, however you requested 4116"
        " tokens (3860 in your prompt; 256 for the completion)."
    ),
    (
        "This model's maximum context length is 131072 tokens. However, you requested"
        " 131134 tokens (122942 in the messages, 8192 in the completion)."
    ),
    (
        "'max_tokens' is too large: 32000. This model's maximum context length is 32768"
        " tokens and your request has 1500 input tokens (32000 > 32768 - 1500)."
    ),
    "Your input exceeds the context window of this model. Please adjust your input and try again.",
    "prompt is too long: 204511 tokens > 200000 maximum",
    "Prompt is too long",
    "input length and `max_tokens` exceed context limit: 199759 + 8192 > 200000",
    "litellm.ContextWindowExceededError: AnthropicError - prompt is too long: 2 tokens > 1 maximum",
    "Input is too long for requested model.",
    "The input token count (1050001) exceeds the maximum number of tokens allowed (1048576).",
    (
        "Prompt contains 40000 tokens and 0 draft tokens, too large for model with"
        " 32768 maximum context length"
    ),
    "the request exceeds the available context size, try increasing it",
    "request (9000 tokens) exceeds the available context size (8192 tokens)",
    "Context size has been exceeded.",
    "the input length exceeds the context length",
    "prompt too long; exceeded max context length by 300 tokens",
    "The decoder prompt (length 5000) is longer than the maximum model length of 4096.",
    "Please reduce the length of the messages or completion.",
    "This model's maximum prompt length is 131072 but the request contains 537812 tokens.",
    "Invalid request: Your request exceeded model token limit: 262144 (requested: 291351)",
    "<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, 983616]",
    "`inputs` tokens + `max_new_tokens` must be <= 8193. Given: 9000 `inputs` tokens",
    "too many tokens: total number of tokens in the prompt cannot exceed 4081",
    "Request body too large for gpt-4o model. Max size: 8000 tokens.",
    "The input (300 tokens) is longer than the model's context length (200 tokens).",
    "prompt token count of 5000 exceeds the limit of 4096",
    "number of input tokens (204703) has exceeded max_prompt_tokens (202752) limit.",
    "invalid params, context window exceeds limit (2013)",
    (
        "Trying to keep the first 9000 tokens when context the overflows. However, the model"
        " is loaded with context length of only 4096 tokens, which is not enough"
    ),
    "输入长度超过模型上限",
]
SOMETHING_ELSE = [
    "max_tokens is too large: 50000. This model supports at most 16384 completion tokens.",
    "max_tokens: 100000 > 8192, which is the maximum allowed number of output tokens",
    "Range of max_tokens should be [1, 8192]",
    (
        "Invalid 'tools[0].function.description': string too long. Expected a string"
        " with maximum length 1024, but got a string with length 1500 instead."
    ),
    "Invalid 'input[3].call_id': string too long. Expected a string with maximum length 64.",
    "Invalid 'messages[2].tool_calls[0].id': string too long.",
    "Invalid 'tools': array too long. Expected an array with maximum length 128.",
    "'max_tokens' is too large: 40000. This model's maximum context length is 32768 tokens.",
    "Invalid 'temperature': must be at most 2.",
    "The model `gpt-x` does not exist.",
    "The encrypted content for item rs_1 could not be verified.",
    "Container is expired.",
    "Function id or response id too long",
]


@pytest.mark.parametrize("status", [None, 400, 413, 422, 500])
@pytest.mark.parametrize("message", TOO_LONG)
def test_it_is_known_by_its_words_whatever_the_status(status, message):
    assert says_too_long(status, (), message)


@pytest.mark.parametrize("message", SOMETHING_ELSE)
def test_something_else_that_is_too_long_is_not_the_conversation(message):
    assert not says_too_long(400, ("invalid_request_error",), message)
    assert not says_too_large(400, ("invalid_request_error",), message)


@pytest.mark.parametrize(
    "code",
    [
        "context_length_exceeded",
        "exceed_context_size_error",
        "ContextWindowExceededError",
        "model_context_window_exceeded",
        "tokens_limit_reached",
        "prompt_too_long",
    ],
)
def test_it_is_known_by_its_code(code):
    assert says_too_long(400, (code,), "No.")


@pytest.mark.parametrize(
    "message",
    [
        (
            "Request too large for gpt-x in organization org-q on tokens per min (TPM):"
            " Limit 20000, Requested 20480."
        ),
        (
            "Request too large for model `m` on tokens per minute (TPM): Limit 6,000,"
            " Requested 7,102, please reduce your message size and try again."
        ),
        "Rate limit reached for m on tokens per min (TPM): Limit 10000, Used 900, Requested 12000.",
    ],
)
def test_a_request_that_no_rate_limit_will_ever_let_through_is_too_long(message):
    assert says_too_long(429, ("rate_limit_exceeded", "tokens"), message)
    assert says_too_long(413, ("rate_limit_exceeded", "tokens"), message)


@pytest.mark.parametrize(
    "message",
    [
        (
            "Rate limit reached for gpt-x on tokens per min (TPM): Limit 10000, Used"
            " 9500, Requested 600. Please try again in 600ms."
        ),
        "Too many tokens, please wait before trying again.",
        "Too many requests.",
        "This request would exceed your organization's rate limit of 30,000 tokens per minute.",
        "Resource has been exhausted (e.g. check quota).",
        "You exceeded your current quota. Quota exceeded for metric: input_token_count, limit: 250",
    ],
)
def test_a_rate_limit_is_none_of_the_context(message):
    assert not says_too_long(429, ("rate_limit_exceeded",), message)
    assert not says_too_large(429, ("rate_limit_exceeded",), message)


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (413, ""),
        (413, "413 Request Entity Too Large"),
        (400, "Request payload size exceeds the limit: 20971520 bytes."),
        (400, "payload too large"),
        (None, "request_too_large: Request exceeds the maximum size"),
    ],
)
def test_too_many_bytes_are_too_large(status, message):
    assert says_too_large(status, (), message)
