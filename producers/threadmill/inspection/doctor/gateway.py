"""How a gateway with the settings of this process would be guarded."""

from __future__ import annotations

import os

from threadmill.inspection.doctor.finding import Finding
from threadmill_shared.settings import Settings

HOST = "THREADMILL_GATEWAY_HOST"
SHORTEST_KEY = 16
"""Characters; what is shorter can be found by trying."""
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


def examine_gateway(settings: Settings) -> list[Finding]:
    """Whether its key protects it; nothing is said if nothing is set for gateways."""
    host = os.environ.get(HOST, "")
    if settings.api_key is None:
        return [_without_key(host)] if host else []
    if len(settings.api_key.get_secret_value()) < SHORTEST_KEY:
        return [
            Finding(
                "gateway.key",
                "warning",
                f"the key of gateways has fewer than {SHORTEST_KEY} characters, and can be guessed",
                "Set a random one for gateways and clients: THREADMILL_API_KEY=$(openssl rand "
                "-hex 32).",
            )
        ]
    return [Finding("gateway.key", "ok", "clients of gateways must send a key")]


def _without_key(host: str) -> Finding:
    if host in _LOOPBACK:
        return Finding("gateway.key", "ok", "no key; gateways serve this machine's programs only")
    return Finding(
        "gateway.key",
        "error",
        f"gateways are to listen on {host}, and do not start without a key",
        "Set THREADMILL_API_KEY for gateways and clients.",
    )
