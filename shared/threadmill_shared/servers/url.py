"""The URL of a server, parsed once into a validated value.

The store's client and Celery's settings are both created from it, so that a URL means the same to
both. An invalid URL is rejected without quoting any part of it: if a character of a password is
not percent-encoded, a piece of the password may be in any part.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from threadmill_shared import errors
from threadmill_shared.servers import url_options as known

STORE = "THREADMILL_REDIS_URL"
BROKER = "THREADMILL_BROKER_URL"

_KINDS = {
    "redis": "single",
    "rediss": "single",
    "unix": "unix",
    "redis+socket": "unix",  # as Celery spells it
    "redis+sentinel": "sentinel",
    "rediss+sentinel": "sentinel",
    "redis+cluster": "cluster",
    "rediss+cluster": "cluster",
    "amqp": "amqp",
    "pyamqp": "amqp",
    "amqps": "amqp",
}
_OF_REDIS = (
    "redis://, rediss://, unix://, redis+sentinel://, rediss+sentinel://, redis+cluster:// or "
    "rediss+cluster://"
)
_ADVICE = (
    "Special characters in a user name, password or option must be percent-encoded, for example "
    "/ as %2F, @ as %40, # as %23 and ? as %3F."
)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
_PARTS = re.compile(r"([^/?]*)(/[^?]*)?(?:\?(.*))?", re.DOTALL)
_ADDRESS = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([\w.-]*))(?::([0-9]{1,5})?)?")


@dataclass(frozen=True)
class ServerUrl:
    """A server's address, login and connection options."""

    scheme: str
    kind: str
    """`single`, `unix`, `sentinel`, `cluster` or `amqp`."""
    hosts: tuple[tuple[str, int], ...] = ()
    username: str = ""
    password: str = field(default="", repr=False)
    path: str = ""
    """Of a socket; of AMQP, the virtual host."""
    service: str = ""
    """Of Sentinel."""
    database: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)
    """Options of connections, except TLS, with redis-py's names."""
    tls: Mapping[str, Any] | None = None
    """TLS options with redis-py's names; None: no TLS."""

    @property
    def login(self) -> dict[str, str]:
        """User name and password, if given."""
        given = {"username": self.username, "password": self.password}
        return {name: value for name, value in given.items() if value}


def parse(url: str, variable: str = STORE) -> ServerUrl:
    """Parse the URL in an environment variable.

    Raises:
        NotConfigured: it cannot be read, or has an invalid option or value.
    """
    scheme, rest = split_scheme(url, variable)
    kind = _KINDS.get(scheme)
    if kind is None or (kind == "amqp" and variable == STORE):
        raise errors.NotConfigured(f"{variable} must begin with {_OF_REDIS}. {_ADVICE}")
    authority, path, query = split_rest(rest, variable, is_socket=kind == "unix")
    login, _, address = authority.rpartition("@")
    username, _, password = login.partition(":")
    if kind == "unix" and address:
        raise _malformed(variable, f"must have the form {scheme}:///path or {scheme}://:pw@/path")
    options = known.read_url_options(
        _fields(query, variable), _known_options(scheme, kind), variable
    )
    given = _Given(variable, kind, options)
    return ServerUrl(
        scheme=scheme,
        kind=kind,
        hosts=() if kind == "unix" else _hosts(address, scheme, variable),
        username=given.either("username", _decoded(username, variable)),
        password=given.either("password", _decoded(password, variable)),
        **given.place(_decoded(path, variable)),
        options={name: value for name, value in options.items() if not _is_apart(name)},
        tls=_tls(options) if is_secure(scheme) else None,
    )


def is_secure(scheme: str) -> bool:
    """Whether a URL of this scheme asks for TLS."""
    return scheme.partition("+")[0] in ("rediss", "amqps")


def split_scheme(url: str, variable: str) -> tuple[str, str]:
    """A URL's scheme in lower case, and what follows it.

    Raises:
        NotConfigured: it has none, or characters that no URL has.
    """
    url = url.strip()
    if any(ord(letter) < 32 or 0x7F <= ord(letter) < 0xA0 for letter in url):
        raise _malformed(variable, "has a control character")
    if any(0xD800 <= ord(letter) < 0xE000 for letter in url):
        raise _malformed(variable, "is not UTF-8")
    scheme, separator, rest = url.partition("://")
    if not separator or not _SCHEME.fullmatch(scheme):
        examples = "redis://localhost:6379/0"
        if variable == BROKER:
            examples += " or amqp://localhost:5672//"
        raise _malformed(variable, f"has no scheme: it must look like {examples}")
    return scheme.lower(), rest  # as kombu and redis-py take it, so that no check is passed by


def split_rest(rest: str, variable: str, *, is_socket: bool = False) -> tuple[str, str, str]:
    """Authority, path and query of a URL, as they are written.

    Raises:
        NotConfigured: a password in it holds characters that end the authority.
    """
    found = _PARTS.fullmatch(rest)
    if found is None or "#" in rest:
        raise _malformed(variable, "cannot be read")
    authority, path, query = (part or "" for part in found.groups())
    # What stands before an @ in a path or a query may be the rest of a password. Only the path of a
    # socket without a login may have one of its own.
    may_have_at = is_socket and not authority
    if "@" in query or ("@" in path and not may_have_at):
        raise _malformed(variable, "has an @ after its host")
    return authority, path, query


def masked(url: str) -> str:
    """The URL without login and query, for messages and logs; if it is malformed, next to none."""
    try:
        scheme, rest = split_scheme(url, "the URL")
        is_socket = _KINDS.get(scheme) == "unix"
        authority, path, _ = split_rest(rest, "the URL", is_socket=is_socket)
    except errors.NotConfigured:
        return "***"
    login, _, address = authority.rpartition("@")
    is_known = scheme in _KINDS or scheme in ("http", "https")
    if not is_known or not all(_ADDRESS.fullmatch(one) for one in address.split(",")):
        return "***"
    return f"{scheme}://{'***@' if login else ''}{address}{path}"


def shown_address(url: str) -> str:
    """Where the servers of a URL are, or of several separated by semicolons, for logs."""
    return "; ".join(masked(one).replace("***@", "") for one in url.split(";"))


@dataclass(frozen=True)
class _Given:
    """What a URL says in its query, beside what stands before it."""

    variable: str
    kind: str
    options: Mapping[str, Any]

    def either(self, name: str, before: Any) -> Any:
        """The one value of what may be given in both places."""
        if before and self.options.get(name, before) != before:
            raise errors.NotConfigured(f"{self.variable} has two values of {name}.")
        return before or self.options.get(name, before)

    def place(self, path: str) -> dict[str, Any]:
        """What the path leads to."""
        if self.kind == "amqp":
            return {"path": path.removeprefix("/")}
        if self.kind == "unix" and not path.strip("/"):
            raise _malformed(self.variable, "must name the path of a socket")
        if self.kind == "unix":
            return {"path": path, "database": self.either("db", 0)}
        path = path.strip("/")
        service, _, database = path.partition("/") if self.kind == "sentinel" else ("", "", path)
        if self.kind == "sentinel" and not service:
            raise errors.NotConfigured(
                f"{self.variable} must name the service: redis+sentinel://host1,host2/service/0."
            )
        return {"service": service, "database": self._database(database)}

    def _database(self, text: str) -> int:
        if text and not (text.isascii() and text.isdigit()):
            raise _malformed(self.variable, "must end with the number of a database, such as /0")
        database = int(self.either("db", int(text[:9] or 0)))
        if database and self.kind == "cluster":
            raise errors.NotConfigured(
                f"{self.variable} names a Cluster, which has only database 0."
            )
        return database


def _known_options(scheme: str, kind: str) -> Mapping[str, known.Option]:
    tls = known.TLS if is_secure(scheme) else {}
    if kind == "amqp":
        return known.OF_AMQP | tls
    of_redis = known.SETTLED | known.CONNECTION | known.OF_THE_STORE | known.WHERE
    return of_redis | tls | (known.TLS_OF_REDIS if tls else {})


def _is_apart(name: str) -> bool:
    return name in known.WHERE or name.startswith("ssl_")


def _tls(options: Mapping[str, Any]) -> dict[str, Any]:
    given = {name: value for name, value in options.items() if name.startswith("ssl_")}
    return {"ssl_cert_reqs": ssl.CERT_REQUIRED, "ssl_check_hostname": True} | given


def _hosts(text: str, scheme: str, variable: str) -> tuple[tuple[str, int], ...]:
    kind = _KINDS[scheme]
    ports = {"sentinel": 26379, "amqp": 5671 if is_secure(scheme) else 5672}
    addresses = text.split(",") if kind in ("sentinel", "cluster") else [text]
    found = [_ADDRESS.fullmatch(address) for address in addresses]
    hosts = tuple(
        (one[1] or one[2] or "localhost", int(one[3] or ports.get(kind, 6379)))
        for one in found
        if one is not None
    )
    if len(hosts) < len(addresses) or not all(0 < port < 65_536 for _, port in hosts):
        raise _malformed(variable, "has no valid host and port")
    return hosts


def _fields(query: str, variable: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    for part in filter(None, query.split("&")):
        name, is_option, value = part.partition("=")
        name = "db" if name == "virtual_host" else name  # as kombu has it for sockets
        if not is_option or name in fields:
            raise _malformed(variable, "must have options of the form name=value, each once")
        if value:  # an empty one counts as absent, as in redis-py
            fields[name] = _decoded(value.replace("+", " "), variable)
    return fields


def _decoded(text: str, variable: str) -> str:
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        pass  # it holds what it could not read, and would stay in the context of an error from here
    raise _malformed(variable, "has percent-encoded characters that are not UTF-8")


def _malformed(variable: str, what: str) -> errors.NotConfigured:
    return errors.NotConfigured(f"{variable} {what}. {_ADVICE}")
