"""Whether the broker can be used, before something starts that would try it for ever."""

from __future__ import annotations

from threadmill_shared import errors
from threadmill_shared.broker.app import try_broker
from threadmill_shared.servers.failures import REFUSED_WRITES, FailureKind, find_failure
from threadmill_shared.servers.trouble import describe_failure
from threadmill_shared.servers.url import BROKER, STORE, shown_address
from threadmill_shared.settings import Settings

PASSING: tuple[FailureKind, ...] = (
    *("name", "refused", "timeout", "network", "socket", "loading", "busy", "clients", "closed"),
    *("sentinel", "other", *REFUSED_WRITES),
)
"""What may pass without anybody changing the settings."""


def check_broker(settings: Settings) -> Exception | None:
    """Connect to the broker once; returns why it cannot be reached, if that may pass.

    Raises:
        NotConfigured: it will not pass: the broker rejects the login, for example.
    """
    try:
        try_broker(settings)
    except errors.NotConfigured:
        raise
    except Exception as error:  # noqa: BLE001  each transport has errors of its own
        if find_failure(error).kind in PASSING:
            return error
        variable = BROKER if settings.broker_url else STORE
        address = shown_address(str(settings.celery_settings()["broker_url"]))
        raise errors.NotConfigured(
            f"The broker cannot be used: {describe_failure(error)}. It is {address}, as {variable}"
            " says; threadmill doctor says what helps."
        ) from None
    return None
