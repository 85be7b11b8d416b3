"""Whether a server can be used at all; if not, why, and what helps."""

from __future__ import annotations

from dataclasses import dataclass

from threadmill.inspection.doctor.finding import Finding
from threadmill.inspection.write_refusal import WRITE_CURES
from threadmill_shared.servers.failures import Failure, FailureKind
from threadmill_shared.servers.tls import explain

_URL_HELP = "special characters must be percent-encoded, see docs/urls.md"
_CURES: dict[FailureKind, str] = WRITE_CURES | {
    "name": "Correct the host name in {url}, or the DNS of this machine.",
    "refused": "Start the server, or correct host and port in {url}; a server that runs must "
    "listen at this address (bind in redis.conf).",
    "timeout": "See whether the server is frozen or overloaded, whether a firewall drops packets "
    "to {address}, and whether the URL has the right scheme: {tls} for this port.",
    "network": "Correct the address in {url}, or the routes of this machine.",
    "socket": "Correct the path in {url}, and the socket's permissions (unixsocketperm).",
    "tls": "See docs/urls.md#tls.",
    "login": f"Correct user name and password in {{url}}; {_URL_HELP}.",
    "no_login": f"Put the password into {{url}}, as in redis://:PASSWORD@host:6379/0; {_URL_HELP}.",
    "needless_login": "Set a password on the server (requirepass), or take it out of {url}.",
    "right": "Give the user its rights (docs/doctor.md#rights).",
    "protected": "Set a password (requirepass) and the addresses to listen at (bind) in "
    "redis.conf.",
    "database": "Correct the end of {url}: a number below the server's `databases`, or the virtual "
    "host.",
    "loading": "Wait; INFO persistence says how long it takes (loading_eta_seconds).",
    "busy": "Wait, or end the script: redis-cli SCRIPT KILL.",
    "clients": "Raise maxclients: redis-cli CONFIG SET maxclients 10000.",
    "cluster": "Use redis+cluster:// for a Cluster and redis:// for one server; a Cluster must "
    "have all its slots: redis-cli CLUSTER INFO.",
    "sentinel": "See that the sentinels run, and that {url} names them and their service.",
    "protocol": "Correct host and port in {url}: another service listens there.",
    "closed": "See whether this port speaks TLS (rediss://), and what the server logs.",
    "other": "See what the server logs.",
}


@dataclass(frozen=True)
class NamedServer:
    """The server that findings are about."""

    name: str
    """`redis` or `broker`: the beginning of its findings' names."""
    variable: str
    """The environment variable that has its URL."""
    address: str
    """Without login."""
    is_secured: bool = False
    """Whether its URL asks for TLS."""


def cure_of(
    failure: Failure, variable: str, address: str = "it", *, is_secured: bool = False
) -> str:
    """What helps against a failure of a server.

    Args:
        failure: what keeps it from being used.
        variable: the environment variable that has its URL.
        address: of the server, without login.
        is_secured: whether the URL asks for TLS.
    """
    scheme = "rediss:// only" if is_secured else "redis:// only"
    return _CURES[failure.kind].format(url=variable, address=address, tls=scheme)


def unreachable(
    server: NamedServer, failure: Failure, error: BaseException | None = None
) -> Finding:
    """The finding for a server that cannot be used.

    Args:
        server: which one.
        failure: why.
        error: what was raised; of TLS it says what helps.
    """
    cure = cure_of(failure, server.variable, server.address, is_secured=server.is_secured)
    if failure.kind == "tls" and error is not None and (said := explain(error)) is not None:
        cure = f"{said.partition('. ')[2]}. {cure}"
    what = "cannot be used" if failure.is_reached else "cannot be reached"
    return Finding(
        f"{server.name}.reachable", "error", f"{server.address} {what}: {failure.cause}", cure
    )
