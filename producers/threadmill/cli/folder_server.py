"""The embedded server of a folder, for as long as a command needs it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path


@contextmanager
def folder_server(folder: Path) -> Iterator[str]:
    """The URL of the folder's server, which runs while the block does.

    Afterwards it is ended, unless other processes use it; then it ends itself after the last one.

    Raises:
        NotConfigured: no server's program can be found, or it does not start.
    """
    import redis

    from threadmill.embedded.server import end_server, ensure_server

    url = ensure_server(folder)
    try:
        # Without a client it would end itself, and on a busy machine a worker takes its time.
        with closing(redis.Redis.from_url(url)) as client:
            client.ping()
            yield url
    finally:
        end_server(folder)
