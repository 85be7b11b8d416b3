"""TLS: a URL's options are checked at once, and failures are explained."""

from __future__ import annotations

import logging
import re
import ssl
from functools import cache
from pathlib import Path

from threadmill_shared import errors
from threadmill_shared.servers.url import STORE, ServerUrl

logger = logging.getLogger("threadmill")

_UNVERIFIED = re.compile(r"certificate verify failed: ([^(\n]+)")
_NO_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG")
_WANTS_CERTIFICATE = ("CERTIFICATE_REQUIRED", "certificate required")


def check_tls(server: ServerUrl, variable: str = STORE) -> None:
    """Check, without a connection, that the TLS options can be used.

    Raises:
        NotConfigured: a file cannot be read, or OpenSSL rejects a value.
    """
    if server.tls is None:
        return
    from redis.asyncio.connection import RedisSSLContext  # noqa: PLC0415  for TLS only

    if server.tls["ssl_cert_reqs"] is ssl.CERT_NONE:
        _warn_of_strangers(variable)
    given = {name.removeprefix("ssl_"): value for name, value in server.tls.items()}
    if "keyfile" in given and "certfile" not in given:
        raise errors.NotConfigured(f"ssl_keyfile in {variable} needs ssl_certfile, too.")
    if not Path(given.get("ca_path", ".")).is_dir():
        raise errors.NotConfigured(f"ssl_ca_path in {variable} must be a folder.")
    try:
        RedisSSLContext(**given).get()
    except (OSError, TypeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
    else:
        return
    named = sorted(server.tls.keys() - {"ssl_cert_reqs", "ssl_check_hostname"})
    raise errors.NotConfigured(
        f"The TLS options in {variable} cannot be used ({reason}). Check {', '.join(named)}."
    )


@cache
def _warn_of_strangers(variable: str) -> None:
    logger.warning(
        "%s has ssl_cert_reqs=none: the server's certificate is not verified, so any server "
        "that answers at this address receives the password and everything that is sent",
        variable,
    )


def explain(error: BaseException) -> str | None:
    """The TLS problem because of which a connection failed, and its cure; None: another reason."""
    said = _words(error)
    if unverified := _UNVERIFIED.search(said):
        reason = unverified[1].rstrip(" .")
        return (
            f"the server's certificate could not be verified: {reason}. Name its CA file in the "
            "URL, as in rediss://host:6379/0?ssl_ca_certs=/path/to/ca.pem, or have the server "
            "present a valid certificate for this host name"
        )
    if any(word in said for word in _NO_TLS):
        return (
            "the server does not speak TLS on this port. Use its TLS port, or a URL without TLS "
            "(redis://)"
        )
    if any(word in said for word in _WANTS_CERTIFICATE):
        return (
            "the server requires a client certificate. Name its files in the URL: "
            "?ssl_certfile=/path/to/certificate.pem&ssl_keyfile=/path/to/key.pem"
        )
    return None


def _words(error: BaseException) -> str:
    """What an error and those that led to it say; clients wrap OpenSSL's in some of their own."""
    words, at, seen = [], error, set[int]()
    while at is not None and id(at) not in seen:
        seen.add(id(at))
        words.append(str(at))
        at = at.__cause__ or at.__context__  # type: ignore[assignment]
    return "\n".join(words)
