"""Settings: read from the environment once, at the edge, into one frozen object.

All are texts and numbers, so a mapping is all that pydantic needs. pydantic-settings, which also
reads command lines and files, would take a tenth of a script's time until its first enqueue.
"""

from __future__ import annotations

import logging
import os
import re
from functools import lru_cache
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from threadmill_shared import errors
from threadmill_shared.log_text import install_command
from threadmill_shared.servers.celery_settings import celery_settings
from threadmill_shared.servers.url import BROKER, STORE

logger = logging.getLogger("threadmill")

DEFAULT_MODEL = "gpt-5.4-mini"
FIRST_DEFAULT_MODEL = "gpt-4.1-mini"
"""Digests of idempotency keys name it, whatever the default is now."""
INDEX_KEY_PATTERN = r"[A-Za-z0-9_.:-]{1,64}"
MOST_INDEX_KEYS = 8
"""Each costs every thread an entry in an index."""
NAMESPACE_PATTERN = r"^[A-Za-z0-9_.-]{1,64}$"


_PREFIX = "threadmill_"


class Settings(BaseModel):
    """All settings; the environment variable of each is `THREADMILL_` and its name.

    What is not given is read from the environment. The case of a variable's name does not matter.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", validate_default=True)

    redis_url: SecretStr | None = None
    """The store of threads, runs and logs; unset: an embedded server (see `embedded`)."""
    broker_url: SecretStr | None = None
    """Celery's broker; unset: the Redis URL."""
    namespace: str = Field(default="threadmill", pattern=NAMESPACE_PATTERN)
    """First part of every key and queue name; two namespaces share a Redis unseen."""
    embedded: bool = True
    """Whether a script without a Redis URL may start an embedded server and worker."""

    model: str = DEFAULT_MODEL
    """The model of an assistant that names none; docs/adr/0012 says why it is this one."""
    model_api: Literal["responses", "chat"] = "responses"
    """The provider's protocol: OpenAI's Responses API, or Chat Completions."""
    model_retries: int = Field(default=5, ge=0)
    """How often a model request is repeated after a failure that may pass."""

    concurrency: int = Field(default=100, ge=1, le=10_000)
    """Runs in flight per worker process."""
    tool_threads: int = Field(default=64, ge=1)
    """Synchronous tools that are executed at a time per worker process."""
    tool_seconds: float = Field(default=300, gt=0)
    """Limit for one tool call that sets none of its own."""
    max_attempts: int = Field(default=3, ge=1)
    """Workers that may die in a run's tool calls, none of which is finished, before it fails as
    `worker_lost`; three times as many of a run that was merely waiting for its model."""
    worker_wait_seconds: float = Field(default=60, ge=0)
    """How long a run waits for a worker that has the function of its call; 0: not at all."""
    drain_seconds: float = Field(default=25, ge=0)
    """How long a worker that was told to stop lets its runs continue."""
    metrics_port: int | None = Field(default=None, ge=0, le=65_535)
    """On which a worker serves metrics for Prometheus; unset: none; 0: any free port."""
    metrics_host: str = "127.0.0.1"
    """The address on which it serves them."""

    run_seconds: float = Field(default=600, gt=0)
    """A run's deadline, counted from its first claim."""
    queue_seconds: float | None = Field(default=None, gt=0)
    """How long a run may wait for its first claim before it expires; unset: without a limit."""
    park_seconds: float = Field(default=600, gt=0)
    """How long a run waits for the output of a function that no worker has."""
    approval_seconds: float = Field(default=86_400, gt=0)
    """How long a run waits until somebody approves or rejects a call."""
    max_turns: int = Field(default=50, ge=1)
    """Model requests in one run."""
    max_waiting: int = Field(default=100, ge=0)
    """Runs in one thread's line."""
    max_message_bytes: int = Field(default=256 * 1024, ge=1)
    """Size of one message, in UTF-8."""
    max_tool_output_bytes: int = Field(default=256 * 1024, ge=1)
    """Size of one tool call's output, in UTF-8."""
    file_bytes: int = Field(default=5 * 1024 * 1024, ge=1)
    """Size of one file that is attached to a message or made by a run."""

    log_seconds: float = Field(default=3600, gt=0)
    """Lifetime of an event log after its run has ended."""
    run_days: float = Field(default=30, gt=0)
    """Lifetime of a run's record after it has ended; its messages stay in the thread."""

    log_format: Literal["console", "json"] = "console"
    """How workers log: lines for people, or a JSON object a line."""

    index: str | None = None
    """Keys of threads' metadata that `Thread.list` can select by, with commas between them."""

    api_key: SecretStr | None = None
    """What clients of a gateway must send; unset: it serves programs of its own machine only."""
    gateway_context: bool = False
    """Whether they may set a run's context, from which tools read who the user is."""
    gateway_body_bytes: int = Field(default=16 * 1024 * 1024, ge=1024)
    """Size of a request's body, in bytes."""
    gateway_requests: int = Field(default=1000, ge=1)
    """Requests that a gateway serves at a time; open streams are not counted."""
    gateway_streams: int = Field(default=1000, ge=1)
    """Streams that it has open at a time."""

    @model_validator(mode="before")
    @classmethod
    def _with_environment(cls, given: dict[str, Any]) -> dict[str, Any]:
        variables = {name.lower(): value for name, value in os.environ.items()}
        names = [name for name in cls.model_fields if _PREFIX + name in variables]
        return {name: variables[_PREFIX + name] for name in names} | given

    @field_validator("index")
    @classmethod
    def _fit_index(cls, given: str | None) -> str | None:
        keys = _listed(given)
        if len(keys) > MOST_INDEX_KEYS:
            raise ValueError(f"it may name at most {MOST_INDEX_KEYS} keys")
        for key in keys:
            if not re.fullmatch(INDEX_KEY_PATTERN, key):
                raise ValueError("a key has 1 to 64 letters, digits or characters of '_.:-'")
        return ",".join(dict.fromkeys(keys)) or None

    @property
    def index_keys(self) -> tuple[str, ...]:
        """The keys that `index` names."""
        return tuple(_listed(self.index))

    def store_url(self) -> str:
        """The Redis URL.

        Raises:
            NotConfigured: there is none.
        """
        if self.redis_url is None and not self.embedded:
            raise errors.NotConfigured(
                "THREADMILL_REDIS_URL is not set, and THREADMILL_EMBEDDED forbids an embedded "
                "server. Set the URL of your Redis, for example redis://localhost:6379/0."
            )
        if self.redis_url is None:
            raise errors.NotConfigured(
                "THREADMILL_REDIS_URL is not set. Set it to your Redis, for example "
                "redis://localhost:6379/0. To run a script with an embedded server instead: "
                f"{install_command('embedded')}."
            )
        return self.redis_url.get_secret_value()

    def celery_url(self) -> str:
        """The broker's URL, as kombu spells it; `celery_settings` has what goes with it.

        Raises:
            NotConfigured: as `celery_settings` does.
        """
        return str(self.celery_settings()["broker_url"])

    def celery_settings(self) -> dict[str, Any]:
        """Celery's settings for the broker: its URL, and what its connections are like.

        Raises:
            NotConfigured: no URL is set, it cannot be read, or the store cannot serve as a broker.
        """
        if self.broker_url is None:
            return celery_settings(self.store_url(), STORE)
        return celery_settings(self.broker_url.get_secret_value(), BROKER)


_OF_OTHERS = {
    *("THREADMILL_MODULES", "THREADMILL_QUEUES", "THREADMILL_APP"),
    *("THREADMILL_GATEWAY_HOST", "THREADMILL_GATEWAY_PORT"),
}
"""Read by the commands, the Procfile and the compose file."""


def _listed(text: str | None) -> list[str]:
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def _warn_of_unknown() -> None:
    known = {f"THREADMILL_{name.upper()}" for name in Settings.model_fields} | _OF_OTHERS
    for name in sorted(os.environ):
        if name.startswith("THREADMILL_") and name not in known:
            logger.warning("%s is set, but threadmill has no such setting", name)


@lru_cache
def load_settings() -> Settings:
    """The settings of this process, read from the environment at the first call.

    Raises:
        NotConfigured: an environment variable has an invalid value.
    """
    _warn_of_unknown()
    try:
        return Settings()
    except ValidationError as error:
        # Without the values themselves: one of them may be a password in the wrong place.
        wrong = [f"THREADMILL_{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors()]
    # Raised out here, so that the first error, which quotes the values, is not in its context.
    raise errors.NotConfigured(f"{'; '.join(wrong)}.")
