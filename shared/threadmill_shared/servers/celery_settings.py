"""The broker's URL, in the form that Celery's settings and kombu need.

kombu also reads options after a question mark, by its own rules: an unknown option raises a
TypeError while it connects. So the URL that it gets has none, and all options are in Celery's
settings. Flower opens its connections with these settings, too.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from threadmill_shared import errors
from threadmill_shared.servers import url_options
from threadmill_shared.servers.tls import check_tls
from threadmill_shared.servers.url import BROKER, ServerUrl, parse, split_rest, split_scheme

_NEXT_URL = re.compile(r";(?=[A-Za-z][A-Za-z0-9+.-]*://)")
"""Separates the brokers of a list; if Celery loses one, it uses the next."""
_UNREADABLE = {"ssl_min_version", "ssl_include_verify_flags", "ssl_exclude_verify_flags"}
"""kombu would pass their text on, and its settings say what a URL does not."""
_OURS = ("redis", "rediss", "unix", "amqp", "pyamqp", "amqps")


def celery_settings(url: str, variable: str) -> dict[str, Any]:
    """Celery's settings for a broker: its URL and options.

    Raises:
        NotConfigured: the URL cannot be read, or Celery cannot use such a server.
    """
    urls = _NEXT_URL.split(url.strip())
    schemes = [_checked_scheme(one, variable) for one in urls]
    if variable == BROKER and not any(map(_is_ours, schemes)):
        _refuse_unknown(";".join(urls), variable)
        return {"broker_url": ";".join(urls)}
    servers = [parse(one, variable) for one in urls]
    first = servers[0]
    if any(
        (s.scheme, s.options, s.tls) != (first.scheme, first.options, first.tls) for s in servers
    ):
        raise errors.NotConfigured(
            f"All URLs in {variable} must have the same scheme and the same options."
        )
    check_tls(first, variable)
    broker_url = ";".join(_spelt(server) for server in servers)
    if first.kind == "amqp":
        return {"broker_url": broker_url} | _of_amqp(servers)
    return {"broker_url": broker_url} | _of_redis(first)


def _is_ours(scheme: str) -> bool:
    return scheme.partition("+")[0] in _OURS


def _checked_scheme(url: str, variable: str) -> str:
    scheme, rest = split_scheme(url, variable)
    if scheme.startswith(("redis+cluster", "rediss+cluster")):
        raise errors.NotConfigured(
            f"Celery cannot use a Redis Cluster as its broker. Set {BROKER} to a standalone Redis "
            "or to RabbitMQ."
        )
    if scheme == "sentinel":
        raise errors.NotConfigured(
            f"{variable} must name Sentinel as redis+sentinel://host1,host2/service/0."
        )
    split_rest(rest, variable, is_socket=scheme in ("unix", "redis+socket"))
    return scheme


def _refuse_unknown(url: str, variable: str) -> None:
    """Reject a URL that kombu cannot use, for brokers that only kombu knows."""
    from kombu.connection import Connection  # noqa: PLC0415  it asks for brokers of others only

    make: Any = Connection  # has no types
    try:
        connection = make(url)
        connection.get_transport_cls()
        connection.as_uri()
    except Exception as error:  # noqa: BLE001  each transport has errors of its own
        kind = type(error).__name__
    else:
        return
    # Raised out here: the first error may quote the URL, and would be in the context of this one.
    raise errors.NotConfigured(
        f"Celery cannot use {variable} ({kind}). Set it to a Redis or a RabbitMQ, for example "
        "redis://localhost:6379/0 or amqp://localhost:5672//."
    )


def _spelt(server: ServerUrl) -> str:
    login = _login(server)
    if server.kind == "unix":
        database = f"?virtual_host={server.database}" if server.database else ""
        return f"redis+socket://{login}{quote(server.path)}{database}"
    path = quote(server.path, safe="") if server.kind == "amqp" else str(server.database)
    # kombu has one URL for each Sentinel.
    scheme = "sentinel" if server.kind == "sentinel" else server.scheme
    end = f"{path}{_tls_query(server)}"
    return ";".join(f"{scheme}://{login}{_address(*host)}/{end}" for host in server.hosts)


def _tls_query(server: ServerUrl) -> str:
    """TLS as kombu reads it from a URL.

    Its settings say the same. But Celery makes connections of the URL alone too, to show it, and
    kombu would then warn that it verifies nothing.
    """
    if server.scheme != "rediss" or server.tls is None or server.tls.keys() & _UNREADABLE:
        return ""
    return "?" + urlencode({name: _as_text(value) for name, value in server.tls.items()})


def _as_text(value: Any) -> str:
    if isinstance(value, ssl.VerifyMode):
        return value.name
    return str(value).lower() if isinstance(value, bool) else str(value)


def _login(server: ServerUrl) -> str:
    if not server.login:
        return ""
    password = f":{quote(server.password, safe='')}" if server.password else ""
    return f"{quote(server.username, safe='')}{password}@"


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _of_redis(server: ServerUrl) -> dict[str, Any]:
    options = {
        name: value
        for name, value in server.options.items()
        if name not in url_options.OF_THE_STORE
    }
    tls = None if server.tls is None else dict(server.tls)
    if server.kind == "sentinel":
        options["master_name"] = server.service
        if tls is not None:
            options["sentinel_kwargs"] = {"ssl": True, **tls}
    return {"broker_transport_options": options, **({"broker_use_ssl": tls} if tls else {})}


def _of_amqp(servers: list[ServerUrl]) -> dict[str, Any]:
    named = {"heartbeat": "broker_heartbeat", "connect_timeout": "broker_connection_timeout"}
    first = servers[0]
    settings = {named[name]: value for name, value in first.options.items()}
    if first.tls is not None:
        settings["broker_use_ssl"] = _tls_of_amqp(first.tls, servers)
    return settings


def _tls_of_amqp(tls: Mapping[str, Any], servers: list[ServerUrl]) -> dict[str, Any]:
    """As py-amqp has it, which compares the host's name only if it is given one.

    Raises:
        NotConfigured: there are several names, and kombu would compare all servers with the first.
    """
    renamed = {name.removeprefix("ssl_"): value for name, value in tls.items()}
    if not renamed.pop("check_hostname") or renamed["cert_reqs"] is ssl.CERT_NONE:
        return renamed
    names = {host for server in servers for host, _ in server.hosts}
    if len(names) > 1:
        raise errors.NotConfigured(
            f"All amqps:// URLs in {BROKER} must name the same host: Celery compares each server's "
            "certificate with the first name. Use one name for all servers, or "
            "ssl_check_hostname=false, which checks the certificates' CA only."
        )
    return renamed | {"server_hostname": names.pop()}
