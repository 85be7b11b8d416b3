"""Files."""

from __future__ import annotations

from typing import Any

from threadmill_shared.records.files import UploadedFile


def file(found: UploadedFile) -> dict[str, Any]:
    """An uploaded file."""
    return {
        "id": found.id,
        "object": "file",
        "bytes": found.bytes,
        "created_at": found.created_at,
        "filename": found.name,
        "purpose": found.purpose,
        "status": "processed",
        "status_details": None,
        "expires_at": found.expires_at,
    }
