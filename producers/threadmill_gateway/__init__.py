"""The Assistants API over HTTP: programs that speak it run on threadmill's workers.

`create_app` makes the ASGI application, to be mounted in one of your own; `threadmill serve`
serves it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from threadmill_gateway.app import create_app as create_app

__all__ = ["create_app"]


def __getattr__(name: str) -> object:
    # Not before it is used: the web framework is an extra.
    if name != "create_app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from threadmill_gateway import app  # noqa: PLC0415  see above

    return app.create_app
