"""The scripts that store the files that users upload."""

from __future__ import annotations

from threadmill_shared.store.keys import Keys
from threadmill_shared.store.scripts.loader import ScriptCall, Value, script


class FileScripts:
    """Calls of the scripts about uploaded files of one namespace."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def write_piece(self, *, file_id: str, field: str, value: str) -> ScriptCall:
        """Write a piece of a file that is being uploaded."""
        args = {"file_id": file_id, "field": field, "value": value}
        return script("write_piece").call({"file": self._keys.file(file_id)}, args)

    def create_file(
        self,
        *,
        file_id: str,
        info: str,
        pieces: int,
        at: str,
        expires_at: int | str,
        request: str,
        requested: str,
    ) -> ScriptCall:
        """Make a file of its pieces; see the script for the times.

        `request` and `requested` as for `add_messages`.
        """
        keys = {
            "file": self._keys.file(file_id),
            "request": self._keys.request(file_id, request),
        }
        args: dict[str, Value] = {
            "bucket": self._keys.bucket(file_id),
            "file_id": file_id,
            "info": info,
            "pieces": pieces,
            "at": at,
            "expires_at": expires_at,
            "requested": requested,
        }
        return script("create_file").call(keys, args)
