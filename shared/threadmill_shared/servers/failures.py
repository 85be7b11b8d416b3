"""Why a server cannot be used, in the right words: unreachable is not the same as rejected."""

from __future__ import annotations

import errno
import socket
import ssl
from typing import Literal, NamedTuple

from threadmill_shared.servers.tls import explain

FailureKind = Literal[
    "name",
    "refused",
    "timeout",
    "network",
    "socket",
    "tls",
    "login",
    "no_login",
    "needless_login",
    "right",
    "protected",
    "database",
    "loading",
    "busy",
    "disk",
    "full",
    "replica",
    "replicas",
    "clients",
    "cluster",
    "sentinel",
    "protocol",
    "closed",
    "other",
]


REFUSED_WRITES: tuple[FailureKind, ...] = ("full", "disk", "replica", "replicas")
"""A server that fails so answers reads, and refuses whatever would be written."""

_UNREACHED = ("name", "refused", "timeout", "network", "socket", "sentinel")


class Failure(NamedTuple):
    """Why a server did not do what it was asked."""

    kind: FailureKind
    cause: str
    """Part of a sentence: what is wrong, without any part of a password."""

    @property
    def is_reached(self) -> bool:
        """Whether the server is known to answer, though it cannot be used."""
        return self.kind not in _UNREACHED


_SAID: list[tuple[tuple[str, ...], FailureKind, str]] = [
    (("protected mode",), "protected", "it is in protected mode and accepts local clients only"),
    (
        ("without any password configured",),
        "needless_login",
        "the URL has a password, but the server has none",
    ),
    (
        ("NOAUTH", "Authentication required", "HELLO must be called with the client already"),
        "no_login",
        "it requires a password, and the URL has none",
    ),
    (
        ("WRONGPASS", "username-password pair", "invalid password", "ACCESS_REFUSED"),
        "login",
        "it rejects the user name and password",
    ),
    (("NOPERM", "no permissions"), "right", "the user has no right for a command"),
    (("DB index",), "database", "it has no database of this number"),
    (("vhost",), "database", "it has no such virtual host, or the user may not use it"),
    (("LOADING", "is loading the dataset"), "loading", "it is still loading its data"),
    (("max number of clients",), "clients", "it has as many clients as maxclients allows"),
    (("MISCONF",), "disk", "it refuses writes, since its last write to its disk failed"),
    (
        ("OOM ", "out of memory", "used memory > 'maxmemory'", "has reached its maxmemory"),
        "full",
        "its memory is full (maxmemory)",
    ),
    (
        ("READONLY", "read only replica", "master -> replica"),
        "replica",
        "it is a replica, which refuses writes",
    ),
    (
        ("NOREPLICAS",),
        "replicas",
        "it refuses writes, since it has fewer replicas than min-replicas-to-write demands",
    ),
    (("`SENTINEL`", "'SENTINEL'"), "sentinel", "what answers there is not a sentinel"),
    (("MASTERDOWN", "Link with MASTER"), "other", "it is a replica that has lost its primary"),
    (("BUSY ",), "busy", "a script blocks it"),
    (("cluster support disabled", "Cluster mode is not"), "cluster", "it is not a Cluster"),
    (("CLUSTERDOWN", "MOVED "), "cluster", "its Cluster is not in order"),
    (
        ("Protocol error", "Protocol Error", "reply type byte"),
        "protocol",
        "what answers there is not Redis",
    ),
    (("closed by server", "reset by peer"), "closed", "it closes the connection at once"),
]
"""Words of servers and of redis-py, and what they mean; the first that fits counts."""

_SYSTEM: list[tuple[type[BaseException], Failure]] = [
    (socket.gaierror, Failure("name", "its host name is not known")),
    (
        ConnectionRefusedError,
        Failure("refused", "nothing listens at this address: the connection was refused"),
    ),
    (FileNotFoundError, Failure("socket", "there is no such socket")),
    (PermissionError, Failure("socket", "this user may not open the socket")),
    (TimeoutError, Failure("timeout", "it does not answer in time")),
]


def find_failure(error: BaseException) -> Failure:
    """Find out why a connection or a command failed.

    Args:
        error: what redis-py, kombu or an HTTP client has raised.
    """
    if (reason := explain(error)) is not None:
        return Failure("tls", reason.partition(". ")[0])
    chain = _chain(error)
    found = _of_system(chain) or _of_words(chain) or _of_class(chain)
    return found or Failure("other", f"it fails with {type(error).__name__}")


def _of_system(chain: list[BaseException]) -> Failure | None:
    """The failure that an error of the operating system says."""
    for error in chain:
        for kind, failure in _SYSTEM:
            if isinstance(error, kind):
                return failure
        if getattr(error, "errno", None) in (errno.EHOSTUNREACH, errno.ENETUNREACH):
            return Failure("network", "there is no route to its host")
    return None


def _of_words(chain: list[BaseException]) -> Failure | None:
    said = "\n".join(str(one) for one in chain)
    for words, kind, cause in _SAID:
        if any(word in said for word in words):
            return Failure(kind, cause)
    return None


def _of_class(chain: list[BaseException]) -> Failure | None:
    for error in chain:
        name = type(error).__name__
        if "MasterNotFound" in name:
            return Failure("sentinel", "no sentinel that answers knows a primary of this service")
        if isinstance(error, ssl.SSLError):
            return Failure("tls", "TLS fails")
        if "Timeout" in name:
            return Failure("timeout", "it does not answer in time")
        if isinstance(error, (ConnectionError, EOFError)) or name == "ConnectionError":
            return Failure("closed", "the connection was lost")
    return None


def _chain(error: BaseException) -> list[BaseException]:
    """The error, and those that led to it."""
    found: list[BaseException] = []
    at: BaseException | None = error
    while at is not None and at not in found:
        found.append(at)
        at = at.__cause__ or at.__context__
    return found
