"""What servers say, and what it means: for what no test can bring a server to say at will."""

from __future__ import annotations

import errno

import pytest
from amqp.exceptions import AccessRefused, NotAllowed
from redis import exceptions as redis_errors
from redis.asyncio.sentinel import MasterNotFoundError

from threadmill_shared.servers.failures import find_failure


def caused_by(cause: BaseException) -> Exception:
    """An error of a client's own, with the one that led to it."""
    error = redis_errors.ConnectionError("Error connecting to host:6379.")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (redis_errors.BusyLoadingError("Redis is loading the dataset in memory"), "loading"),
        (redis_errors.ResponseError("LOADING Redis is loading the dataset in memory"), "loading"),
        (redis_errors.ResponseError("BUSY Redis is busy running a script."), "busy"),
        (redis_errors.ResponseError("MISCONF Redis is configured to save RDB snapshots"), "disk"),
        (redis_errors.ResponseError("MISCONF Errors writing to the AOF file"), "disk"),
        (redis_errors.ConnectionError("max number of clients reached"), "clients"),
        (redis_errors.ResponseError("DENIED Redis is running in protected mode"), "protected"),
        (redis_errors.ClusterDownError("CLUSTERDOWN The cluster is down"), "cluster"),
        (redis_errors.NoPermissionError("this user has no permissions to run 'set'"), "right"),
        (redis_errors.AuthenticationError("WRONGPASS invalid"), "login"),
        (
            redis_errors.AuthenticationError(
                "AUTH <password> called without any password configured for the default user."
            ),
            "needless_login",
        ),
        (MasterNotFoundError("No master found for 'main' : :secret@host"), "sentinel"),
        (AccessRefused("ACCESS_REFUSED - Login was refused"), "login"),
        (NotAllowed("NOT_ALLOWED - vhost shop not found"), "database"),
        (caused_by(OSError(errno.EHOSTUNREACH, "No route to host")), "network"),
        (caused_by(OSError(errno.ENETUNREACH, "Network is unreachable")), "network"),
        (caused_by(PermissionError(errno.EACCES, "Permission denied")), "socket"),
        (caused_by(ConnectionResetError("Connection reset by peer")), "closed"),
        (redis_errors.TimeoutError("Timeout reading from socket"), "timeout"),
        (RuntimeError("nobody has ever seen this"), "other"),
    ],
)
def test_what_a_server_says_has_its_kind(error: Exception, kind: str) -> None:
    failure = find_failure(error)
    assert failure.kind == kind
    assert failure.cause
    assert "secret" not in failure.cause
