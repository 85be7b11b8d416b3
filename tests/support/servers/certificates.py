"""Certificates for tests, made by openssl: of an authority, and of servers that it vouches for."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

needs_openssl = pytest.mark.skipif(
    shutil.which("openssl") is None and "CI" not in os.environ, reason="openssl is not installed"
)


@dataclass(frozen=True)
class Certificate:
    """A certificate and its key, as files."""

    certificate: Path
    key: Path


class Authority:
    """Signs certificates. Who trusts it is given its file."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        self._own = Certificate(folder / "ca.pem", folder / "ca.key")
        self._openssl(
            *("req", "-x509", "-subj", "/CN=Test authority", "-days", "2"),
            # Python 3.13 and newer refuse an authority that does not say what its key is for.
            *("-addext", "keyUsage=critical,keyCertSign,cRLSign"),
            *_new_key(self._own),
            *("-out", str(self._own.certificate)),
        )

    @property
    def file(self) -> Path:
        return self._own.certificate

    def sign(self, name: str, hosts: str, *, days: int = 2) -> Certificate:
        """A certificate for hosts, such as `IP:127.0.0.1,DNS:localhost`; expired if days are 0."""
        made = Certificate(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        asked = self._folder / f"{name}.csr"
        extensions = self._folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName={hosts}\n")
        self._openssl("req", "-subj", f"/CN={name}", *_new_key(made), "-out", str(asked))
        self._openssl(
            *("x509", "-req", "-in", str(asked), "-days", str(days)),
            *("-CA", str(self._own.certificate), "-CAkey", str(self._own.key), "-CAcreateserial"),
            *("-extfile", str(extensions), "-out", str(made.certificate)),
        )
        return made

    def _openssl(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True)


def _new_key(of: Certificate) -> tuple[str, ...]:
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")
    return (*curve, "-nodes", "-keyout", str(of.key))
