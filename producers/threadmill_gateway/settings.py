"""The settings of a gateway."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from threadmill_shared import errors
from threadmill_shared.settings import Settings

LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True)
class GatewaySettings:
    """Who may use a gateway, and how much of it."""

    key: str | None = None
    """What clients must send; None: only programs on this machine may use the gateway."""
    takes_context: bool = False
    """Whether clients may set a run's context, from which tools read who the user is."""
    body_bytes: int = 16 * 1024 * 1024
    """Size of a request's body."""
    requests: int = 1000
    """Requests at a time, streams not counted."""
    streams: int = 1000
    """Open streams at a time."""

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Those that the process has."""
        key = settings.api_key
        return cls(
            key=None if key is None else key.get_secret_value(),
            takes_context=settings.gateway_context,
            body_bytes=settings.gateway_body_bytes,
            requests=settings.gateway_requests,
            streams=settings.gateway_streams,
        )


def check_address(host: str, key: str | None) -> None:
    """Refuse to serve other machines without a key.

    Raises:
        NotConfigured: there is no key, and the address is not one of this machine only.
    """
    if key is None and host not in LOOPBACK:
        raise errors.NotConfigured(
            f"Without a key, the gateway must not listen on {host}: everybody who reached it could "
            "read and change all conversations. Set THREADMILL_API_KEY, or use 127.0.0.1."
        )
