"""Whether the model provider answers, accepts the key, and has the models that are used."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from threadmill.inspection.doctor.finding import Finding, State
from threadmill.inspection.doctor.reading import FleetReading
from threadmill_shared import errors
from threadmill_shared.records.provider_report import ProviderAnswer, ProviderReport
from threadmill_shared.retirements.announcements import (
    ANNOUNCEMENTS,
    find_retirement,
    is_openai,
    today,
)
from threadmill_shared.settings import Settings
from threadmill_workers import service

_NAME = "provider.reachable"
_MODELS = "provider.models"
_RETIREMENT = "provider.retirement"
_CURES: dict[ProviderAnswer, str] = {
    "unreachable": "Correct OPENAI_BASE_URL, or see to the network (DNS, proxy, firewall) of this "
    "machine; the provider's status page says whether it is down.",
    "wrong_key": "Correct OPENAI_API_KEY; it must belong to the provider of OPENAI_BASE_URL.",
    "no_right": "Give the key its rights at the provider: models (read) and responses (write); see "
    "OPENAI_ORG_ID and OPENAI_PROJECT_ID, too.",
    "no_quota": "Top the account up, or raise its budget, at the provider.",
    "limited": "Wait, or lower THREADMILL_CONCURRENCY.",
    "failing": "Wait; the provider's status page says whether it is down.",
    "foreign": "Correct OPENAI_BASE_URL; it usually ends with /v1.",
    "no_path": "Correct OPENAI_BASE_URL; it usually ends with /v1. A server that has only Chat "
    "Completions needs THREADMILL_MODEL_API=chat.",
}
_SHOWN = 5


async def ask_configured(api: str) -> ProviderReport | Finding:
    """Ask the provider that is configured here, if one is; `api` is `responses` or `chat`."""
    if not os.environ.get("OPENAI_API_KEY") and not os.environ.get("OPENAI_BASE_URL"):
        return Finding(
            _NAME, "skipped", "no key is configured here (OPENAI_API_KEY, OPENAI_BASE_URL)"
        )
    try:
        return await service.ask_provider(api)
    except errors.NotConfigured as error:
        return Finding(_NAME, "skipped", str(error))
    except Exception as error:  # noqa: BLE001  the other parts are shown all the same
        return Finding(_NAME, "skipped", f"it could not be asked ({type(error).__name__})")


def examine_provider(
    answer: ProviderReport | Finding, settings: Settings, reading: FleetReading | None
) -> list[Finding]:
    """All findings about the provider that is configured here.

    Args:
        answer: what it has answered, or why it was not asked.
        settings: of this process.
        reading: the fleet, if it could be read.
    """
    if isinstance(answer, Finding):
        return [answer]
    used = _used_models(answer, settings, reading)
    return [check_provider(answer), check_models(answer, used), check_retirement(used)]


def _used_models(
    answer: ProviderReport, settings: Settings, reading: FleetReading | None
) -> dict[str, list[str]]:
    """Who uses which model, as far as the workers of an assistant have this provider."""
    used: dict[str, list[str]] = {}
    definitions = reading.definitions if reading is not None else []
    if "model" in settings.model_fields_set or not definitions:
        used[settings.model] = ["THREADMILL_MODEL"]
    for definition in definitions:
        hosts = _hosts(reading, definition.name) if reading is not None else set()
        if not hosts or answer.host in hosts:
            used.setdefault(definition.model, []).append(definition.name)
    return used


def _hosts(reading: FleetReading, assistant: str) -> set[str]:
    """The providers of the workers that publish an assistant, as far as they say so."""
    return {
        worker.provider.host
        for worker in reading.live
        if worker.provider is not None and assistant in worker.assistants
    }


def check_provider(report: ProviderReport) -> Finding:
    """Whether the provider answers and accepts the key."""
    if report.answer == "answers":
        key = "accepts the key" if report.models is not None else "does not list its models"
        return Finding(_NAME, "ok", f"{report.host} answers and {key}")
    state: State = "warning" if report.answer == "limited" else "error"
    is_away = report.answer == "unreachable"
    what = "cannot be reached" if is_away else "answers, but cannot be used"
    if report.answer == "limited":
        what = "answers"
    return Finding(_NAME, state, f"{report.host} {what}: {report.cause}", _CURES[report.answer])


def check_models(report: ProviderReport, used: Mapping[str, Sequence[str]]) -> Finding:
    """Whether the provider has the models that are used.

    Args:
        report: what it has answered.
        used: who uses a model, by the model's name.
    """
    if not report.is_usable or report.models is None:
        return Finding(_MODELS, "skipped", "the provider has not listed its models")
    missing = {model: who for model, who in used.items() if not _has(report.models, model)}
    if not missing:
        return Finding(_MODELS, "ok", f"the provider has {_names(used)}")
    # Others may list only some, or serve deployments under names of the account's own.
    state: State = "error" if is_openai(os.environ.get("OPENAI_BASE_URL")) else "warning"
    return Finding(
        _MODELS,
        state,
        f"{report.host} does not list {_users(missing)}",
        "Choose a model that the provider has: THREADMILL_MODEL, or model= of the assistant.",
    )


def check_retirement(used: Mapping[str, Sequence[str]]) -> Finding:
    """Whether OpenAI has announced to shut down a model that is used."""
    if not is_openai(os.environ.get("OPENAI_BASE_URL")):
        return Finding(_RETIREMENT, "skipped", "the provider is not OpenAI")
    found = [one for one in map(find_retirement, sorted(used)) if one is not None]
    if not found:
        return Finding(_RETIREMENT, "ok", "no announcement is known for the models that are used")
    is_over = any(one.shutdown <= today() for one in found)
    said = " ".join(one.announced(today()) for one in found[:_SHOWN])
    return Finding(
        _RETIREMENT,
        "error" if is_over else "warning",
        said.rstrip("."),
        f"Choose another model; {ANNOUNCEMENTS} names replacements.",
    )


def _has(models: frozenset[str], wanted: str) -> bool:
    """Ollama lists a model with a tag that need not be named."""
    return wanted in models or f"{wanted}:latest" in models


def _names(used: Mapping[str, Sequence[str]]) -> str:
    return ", ".join(sorted(used)[:_SHOWN])


def _users(missing: Mapping[str, Sequence[str]]) -> str:
    shown = sorted(missing.items())[:_SHOWN]
    return ", ".join(f"{model} ({', '.join(who[:_SHOWN])})" for model, who in shown)
