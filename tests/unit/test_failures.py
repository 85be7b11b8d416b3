"""What servers say, and what it means: for what no test can bring a server to say at will."""

from __future__ import annotations

import errno
from asyncio import IncompleteReadError

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
        (redis_errors.ResponseError("unknown command `SENTINEL`, with args"), "sentinel"),
        (redis_errors.ResponseError("unknown command 'SENTINEL', with args"), "sentinel"),
        (AccessRefused("ACCESS_REFUSED - Login was refused"), "login"),
        (NotAllowed("NOT_ALLOWED - vhost shop not found"), "database"),
        (caused_by(OSError(errno.EHOSTUNREACH, "No route to host")), "network"),
        (caused_by(OSError(errno.ENETUNREACH, "Network is unreachable")), "network"),
        (caused_by(PermissionError(errno.EACCES, "Permission denied")), "socket"),
        (caused_by(ConnectionResetError("Connection reset by peer")), "closed"),
        (redis_errors.TimeoutError("Timeout reading from socket"), "timeout"),
        (redis_errors.ConnectionError("Error 32 while writing to socket."), "closed"),
        (caused_by(BrokenPipeError(errno.EPIPE, "Broken pipe")), "closed"),
        (caused_by(IncompleteReadError(b"", 1)), "closed"),
        (RuntimeError("nobody has ever seen this"), "other"),
    ],
)
def test_what_a_server_says_has_its_kind(error: Exception, kind: str) -> None:
    failure = find_failure(error)
    assert failure.kind == kind
    assert failure.cause
    assert "secret" not in failure.cause


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (
            redis_errors.ReadOnlyError("You can't write against a read only replica."),
            "it is a replica, which refuses writes",
        ),
        (
            redis_errors.ResponseError(
                "UNBLOCKED force unblock from blocking operation, instance state changed "
                "(master -> replica?)"
            ),
            "it is a replica, which refuses writes",
        ),
        (
            redis_errors.OutOfMemoryError("command not allowed when used memory > 'maxmemory'."),
            "its memory is full (maxmemory)",
        ),
        (
            redis_errors.MasterDownError("Link with MASTER is down"),
            "it is a replica that has lost its primary",
        ),
    ],
)
def test_the_words_that_redis_py_leaves_of_an_answer_are_understood(
    error: Exception, cause: str
) -> None:
    assert find_failure(error).cause == cause
