"""Who can reach a server: passwords and TLS, for addresses beyond this machine."""

from __future__ import annotations

import ipaddress

from threadmill.inspection.doctor.finding import Finding
from threadmill.inspection.doctor.reachability import NamedServer
from threadmill_shared.records.server_report import ServerReport
from threadmill_shared.servers.url import ServerUrl

_EVERYWHERE = ("*", "0.0.0.0", "::", "-::*")  # noqa: S104  what a server is compared with


def check_password(
    server: NamedServer, url: ServerUrl, report: ServerReport | None = None
) -> Finding:
    """Whether a server that others can reach asks for a password."""
    name = f"{server.name}.password"
    is_exposed = not is_local(url) or (report is not None and _listens_everywhere(report))
    is_open = not url.login if report is None or report.is_open is None else report.is_open
    if is_open and is_exposed:
        return Finding(
            name,
            "warning",
            "it takes commands without a password from whoever can reach it",
            f"Set requirepass (or ACL users) on the server, and put it into {server.variable}.",
        )
    if is_open:
        return Finding(name, "ok", "no password; only this machine can reach it")
    return Finding(name, "ok", "it requires a password")


def check_tls_use(server: NamedServer, url: ServerUrl) -> Finding:
    """Whether what is sent to another machine is encrypted."""
    name = f"{server.name}.tls"
    if url.tls is not None:
        return Finding(name, "ok", "TLS, and the certificate is trusted")
    if is_local(url):
        return Finding(name, "ok", "no TLS; it is on this machine")
    return Finding(
        name,
        "warning",
        "no TLS: conversations and the password can be read on the way",
        f"Give the server a certificate, and begin {server.variable} with rediss:// "
        "(docs/urls.md#tls); a private network of containers may do without.",
    )


def is_local(url: ServerUrl) -> bool:
    """Whether a URL leads to this machine only."""
    return url.kind == "unix" or all(_is_loopback(host) for host, _ in url.hosts)


def _is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _listens_everywhere(report: ServerReport) -> bool:
    """Whether it serves other machines, although this one reaches it over its loopback."""
    if report.config.get("protected-mode", "yes") == "yes" or "bind" not in report.config:
        return False
    bound = report.config["bind"].split()
    return not bound or any(one in _EVERYWHERE for one in bound)
