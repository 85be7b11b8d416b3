"""Log records of the libraries under a worker, which may quote what users say.

Celery, for example, logs the arguments of tasks: in messages, in exceptions and in fields that it
adds. So of such a record only the words before its first value are shown, and the error's class.
"""

from __future__ import annotations

import logging
import re

from threadmill_shared.servers.failures import REFUSED_WRITES, find_failure

LIBRARIES = frozenset(
    {"aiohttp", "amqp", "asyncio", "billiard", "celery", "httpcore", "httpx", "httpx2", "kombu"}
    | {"openai", "redis", "urllib3"}
)
"""Names of loggers, up to the first dot."""

_FIRST_VALUE = re.compile(r"[%:{(\n]")


def is_of_library(logger: str) -> bool:
    """Whether a logger of this name is a library's."""
    return logger.partition(".")[0] in LIBRARIES


def quiet_libraries() -> None:
    """Log nothing of them below a warning; nobody but their authors has use of it."""
    for name in LIBRARIES:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("kombu.transport.redis").addFilter(_is_news)
    logging.getLogger("kombu.asynchronous.hub").addFilter(_is_fault)


def _is_news(record: logging.LogRecord) -> bool:
    """False for what kombu says once a second of a full Redis, which the store tells of."""
    return not str(record.msg).startswith("maybe_refresh_binding_expiry")


def _is_fault(record: logging.LogRecord) -> bool:
    """False for an event that Redis has refused, such as a heartbeat, since it is full."""
    return not any(_is_refusal(value) for value in _values(record))


def _is_refusal(value: object) -> bool:
    return isinstance(value, Exception) and find_failure(value).kind in REFUSED_WRITES


def shorten(record: logging.LogRecord) -> str:
    """The record's words without any value; its errors by their classes."""
    words = _FIRST_VALUE.split(str(record.msg).strip(), maxsplit=1)[0].strip(" '\"`,-")
    errors = [type(value).__name__ for value in _values(record) if _is_error(value)]
    named = f" ({', '.join(dict.fromkeys(errors))})" if errors else ""
    return f"{words or 'a message without words'}{named}"


def _values(record: logging.LogRecord) -> list[object]:
    arguments = record.args
    values = list(arguments.values()) if isinstance(arguments, dict) else list(arguments or ())
    return [*values, record.exc_info[1]] if record.exc_info else values


def _is_error(value: object) -> bool:
    return isinstance(value, BaseException)
