"""Asks the provider for its list of models: whether it answers, and whether the key is valid.

If it has none, it is sent an empty request to a model, which it refuses: a wrong path in the base
URL has no list of models either. Neither costs anything, and neither says anything about the
account's quota, which providers check for requests to models only.
"""

from __future__ import annotations

import asyncio

from openai import APIConnectionError, APIError, APIStatusError, AsyncOpenAI

from threadmill_shared.records.provider_report import ProviderAnswer, ProviderReport
from threadmill_shared.servers.failures import find_failure
from threadmill_workers.models.client import make_client
from threadmill_workers.models.error_report import read_report

ANSWER_SECONDS = 5.0
_ANSWERS: dict[int, tuple[ProviderAnswer, str]] = {
    401: ("wrong_key", "it rejects the key"),
    402: ("no_quota", "the account has no quota left"),
    403: ("no_right", "the key has no right for this"),
    429: ("limited", "it asks to wait: its rate limit is reached"),
}
_MISSING = (404, 405, 501)
"""What a server answers to a path that it does not have."""
_REFUSALS = (400, 422, 500)
"""What one answers to an empty request to a model."""
_PATHS = {"responses": "/responses", "chat": "/chat/completions"}
"""Where each API is, behind the base URL."""
_WRONG_KEY = ("invalid_api_key", "API_KEY_INVALID")
_NO_QUOTA = ("insufficient_quota", "billing_hard_limit_reached")


async def ask_for_models(
    api: str,
    *,
    api_key: str | None = None,
    base_url: str | None = None,
    seconds: float = ANSWER_SECONDS,
) -> ProviderReport:
    """Ask the provider for its list of models.

    Args:
        api: `responses` or `chat`, which a provider must have if it has no list.
        api_key: None: `OPENAI_API_KEY`.
        base_url: None: `OPENAI_BASE_URL`, else OpenAI itself.
        seconds: how long it may take.

    Raises:
        NotConfigured: there is neither key nor base URL, or the base URL is invalid.
    """
    client = make_client(api_key, base_url)
    host = client.base_url.netloc.decode()
    try:
        async with asyncio.timeout(seconds):
            return await _ask(client, host, api)
    except TimeoutError:
        return ProviderReport(host, "unreachable", "it does not answer in time")
    except APIStatusError as error:
        return ProviderReport(host, *_of_status(error))
    except APIConnectionError as error:
        return ProviderReport(host, "unreachable", find_failure(error).cause)
    except (APIError, ValueError, TypeError, AttributeError):
        return ProviderReport(host, "foreign", "what answers there is not a model provider")
    finally:
        await client.close()


async def _ask(client: AsyncOpenAI, host: str, api: str) -> ProviderReport:
    try:
        return ProviderReport(host, "answers", models=await _models(client))
    except APIStatusError as error:
        if error.status_code not in _MISSING:
            raise
    try:
        await client.post(_PATHS[api], body={}, cast_to=object)
    except APIStatusError as error:
        return ProviderReport(host, *_of_refusal(error, _PATHS[api]))
    return ProviderReport(host, "answers")


def _of_refusal(error: APIStatusError, path: str) -> tuple[ProviderAnswer, str]:
    """What the refusal of an empty request to a model says."""
    if error.status_code in _MISSING:
        return "no_path", f"it has no {path} (HTTP {error.status_code})"
    answer, cause = _of_status(error)
    is_expected = answer == "failing" and error.status_code in _REFUSALS
    return ("answers", "") if is_expected else (answer, cause)


async def _models(client: AsyncOpenAI) -> frozenset[str]:
    page = await client.models.list()
    return frozenset(str(model.id) for model in page.data)


def _of_status(error: APIStatusError) -> tuple[ProviderAnswer, str]:
    status = error.status_code
    report = read_report(error.body, status)
    if report.has_word(frozenset(_NO_QUOTA)):
        status = 402
    elif report.has_word(frozenset(_WRONG_KEY)):
        status = 401
    answer, cause = _ANSWERS.get(status, ("failing", "it fails"))
    return answer, f"{cause} (HTTP {error.status_code})"
