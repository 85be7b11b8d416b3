"""Files."""

from __future__ import annotations

from typing import Any

from threadmill_shared.records.files import UploadedFile


def file(found: UploadedFile) -> dict[str, Any]:
    """An uploaded file; it says when it expires only if it does."""
    expiry = {} if found.expires_at is None else {"expires_at": found.expires_at}
    return {
        "id": found.id,
        "object": "file",
        "bytes": found.bytes,
        "created_at": found.created_at,
        "filename": found.name,
        "purpose": found.purpose,
        "status": "processed",
        **expiry,
    }
