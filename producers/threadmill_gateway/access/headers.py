"""The headers of a request by their names, read once.

Every request is asked for seven of them and more. Starlette's `Headers` goes through all of them
and decodes each, whenever it is asked.
"""

from __future__ import annotations

from collections.abc import Mapping

from starlette.types import Scope


def headers_of(scope: Scope) -> Mapping[str, str]:
    """The headers, by their names in lower case; of several with one name the first counts."""
    given = scope["headers"] = list(scope["headers"])
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(given)}
