"""Redis servers with TLS for tests, and a stranger that would like to be one."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import redis
from tests.support.servers.certificates import Authority, Certificate
from tests.support.servers.redis_server import RedisServer


class TlsRedis(RedisServer):
    """A server that speaks TLS and nothing else."""

    def __init__(self, folder: Path, authority: Authority, own: Certificate, *options: str) -> None:
        files = ("--tls-cert-file", str(own.certificate), "--tls-key-file", str(own.key))
        trusted = ("--tls-ca-cert-file", str(authority.file))
        clients = () if "--tls-auth-clients" in options else ("--tls-auth-clients", "no")
        super().__init__(folder, options=(*files, *trusted, *clients, *options))
        self._own = own
        self._password = dict(zip(options[::2], options[1::2], strict=True)).get("--requirepass")

    def url(self, database: int = 0, *, login: str = "") -> str:
        return f"rediss://{login}127.0.0.1:{self.port}/{database}"

    def _client(self, port: int, **options: Any) -> Any:
        # The test's own connection; whom it trusts is not what is tested.
        return redis.Redis(
            port=port,
            ssl=True,
            ssl_cert_reqs="none",
            ssl_certfile=str(self._own.certificate),
            ssl_keyfile=str(self._own.key),
            **(options | {"password": self._password}),
        )

    def _port_options(self, port: int) -> list[str]:
        return ["--port", "0", "--tls-port", str(port)]


class ImpostorServer:
    """Listens with a certificate of its own, and keeps what it is told behind the handshake."""

    def __init__(self, own: Certificate) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(own.certificate, own.key)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.heard = b""
        self.refused = 0
        """Handshakes that the other side has broken off."""
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5)

    def _listen(self) -> None:
        while True:
            try:
                plain, _ = self._socket.accept()
            except OSError:  # closed
                return
            plain.settimeout(2)
            try:
                with self._context.wrap_socket(plain, server_side=True) as secure:
                    self.heard += secure.recv(4096)
            except OSError:
                self.refused += 1
            finally:
                plain.close()
