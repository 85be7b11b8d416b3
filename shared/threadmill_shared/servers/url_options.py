"""The options after the question mark of a server's URL: names, and how each value is read.

The names are redis-py's. Of the TLS options Celery has the same ones, and only its values of
`ssl_cert_reqs` are spelt otherwise; both spellings are read. A value is never quoted.
"""

from __future__ import annotations

import difflib
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from threadmill_shared import errors

MIN_CONNECTIONS = 4
"""A process queries, listens and writes over separate connections at the same time."""

MAX_SECONDS = 86_400
_TRUE = ("1", "true", "t", "yes", "y")
_FALSE = ("0", "false", "f", "no", "n")


@dataclass(frozen=True)
class Option:
    """How an option's text becomes its value."""

    read: Callable[[str], Any]
    """Raises ValueError or KeyError if the text is invalid."""
    wanted: str


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 < value <= MAX_SECONDS:
        raise ValueError
    return value


def _at_least(least: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        value = int(text)
        if value < least:
            raise ValueError
        return value

    return read


def _flag(text: str) -> bool:
    return {**dict.fromkeys(_TRUE, True), **dict.fromkeys(_FALSE, False)}[text.lower()]


def _only(*texts: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text.lower() not in texts:
            raise ValueError
        return text

    return read


def _name(text: str) -> str:
    if not all("!" <= letter <= "~" for letter in text):
        raise ValueError
    return text


def _requirement(text: str) -> ssl.VerifyMode:
    return ssl.VerifyMode[f"CERT_{text.upper().removeprefix('CERT_')}"]


def _version(text: str) -> ssl.TLSVersion:
    if text.isdigit():
        return ssl.TLSVersion(int(text))
    return ssl.TLSVersion[text.replace(".", "_")]


def _verify_flags(text: str) -> list[ssl.VerifyFlags]:
    return [ssl.VerifyFlags[name.strip()] for name in text.strip("[]").split(",")]


_SECONDS = Option(_seconds, f"a number of seconds above 0, at most {MAX_SECONDS}")
_FLAG = Option(_flag, "true or false")
_TEXT = Option(str, "a text")

SETTLED = {
    "decode_responses": Option(_only(*_TRUE), "true: replies are read as text"),
    "encoding": Option(_only("utf-8", "utf8"), "utf-8: what is stored is UTF-8"),
    "retry_on_timeout": Option(
        _only(*_FALSE), "false: threadmill itself retries what is safe to retry"
    ),
}
"""Options with a fixed value; they may be given, and are not passed on."""

CONNECTION = {
    "client_name": Option(_name, "printable ASCII without spaces"),
    "health_check_interval": Option(_at_least(0), "a whole number of seconds"),
    "max_connections": Option(
        _at_least(MIN_CONNECTIONS), f"a whole number of at least {MIN_CONNECTIONS}"
    ),
    "socket_connect_timeout": _SECONDS,
    "socket_keepalive": _FLAG,
    "socket_timeout": _SECONDS,
}
"""Understood by redis-py and by kombu."""

OF_THE_STORE = {
    "protocol": Option(lambda text: {"2": 2, "3": 3}[text], "2 or 3"),
    "socket_read_size": Option(_at_least(1), "a whole number above 0"),
    "timeout": _SECONDS,
}
"""Understood only by redis-py; kombu does not have it."""

WHERE = {
    "db": Option(_at_least(0), "the number of a database"),
    "username": _TEXT,
    "password": _TEXT,
}
"""Options that can also be given before the question mark."""

OF_AMQP = {
    "connect_timeout": _SECONDS,
    "heartbeat": Option(_at_least(0), "a whole number of seconds"),
}

TLS = {
    "ssl_ca_certs": _TEXT,
    "ssl_cert_reqs": Option(_requirement, "required, optional or none"),
    "ssl_certfile": _TEXT,
    "ssl_check_hostname": _FLAG,
    "ssl_ciphers": _TEXT,
    "ssl_keyfile": _TEXT,
}

TLS_OF_REDIS = {
    "ssl_ca_data": _TEXT,
    "ssl_ca_path": _TEXT,
    "ssl_exclude_verify_flags": Option(_verify_flags, "names of Python's ssl.VerifyFlags"),
    "ssl_include_verify_flags": Option(_verify_flags, "names of Python's ssl.VerifyFlags"),
    "ssl_min_version": Option(_version, "a version such as TLSv1.3"),
}

_REFUSED = {
    "legacy_responses": "threadmill reads replies in redis-py's default form",
    "retry": "threadmill itself retries what is safe to retry",
    "retry_on_error": "threadmill itself retries what is safe to retry",
    "ssl_password": "Celery would show it in a worker's statistics; use a key without a password",
}


def read_url_options(
    given: Mapping[str, str], known: Mapping[str, Option], variable: str
) -> dict[str, Any]:
    """The values of the options in a URL's query.

    Raises:
        NotConfigured: one is unknown, cannot be used, or has an invalid value. The error
            quotes neither a value nor a name that is not known, which may be a piece of a password.
    """
    values = {}
    for name, text in given.items():
        if name in _REFUSED:
            raise errors.NotConfigured(
                f"{variable} must not have the option {name}: {_REFUSED[name]}."
            )
        if name not in known:
            raise _unknown(name, known, variable)
        values[name] = _read(name, text, known[name], variable)
    return {name: value for name, value in values.items() if name not in SETTLED}


def _read(name: str, text: str, option: Option, variable: str) -> Any:
    try:
        return option.read(text)
    except (ValueError, KeyError):
        pass  # its words quote the value, and would stay in the context of an error raised here
    raise errors.NotConfigured(f"The option {name} in {variable} must be {option.wanted}.")


def _unknown(name: str, known: Mapping[str, Option], variable: str) -> errors.NotConfigured:
    if name in TLS | TLS_OF_REDIS:
        wrong = f"has {name}, which does not apply to its scheme (TLS needs rediss:// or amqps://)"
    else:
        close = difflib.get_close_matches(name, known, 1)
        wrong = "has an unknown option" + (f" ({close[0]} is)" if close else "")
    return errors.NotConfigured(f"{variable} {wrong}. Known options: {', '.join(sorted(known))}.")
