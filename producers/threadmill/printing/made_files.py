"""Files that a run's code has made: written to this machine, and shown as links."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from threadmill.client.current import current_client
from threadmill.printing.display import Sheet
from threadmill.printing.text import one_line
from threadmill.runs.downloads import download_file
from threadmill_shared import errors

FOLDER = Path(".threadmill") / "files"
"""In the current folder; each run has a folder of its own there."""
_NAME = 100


async def show_files(sheet: Sheet, run_id: str, attachments: list[dict[str, Any]]) -> None:
    """Download what is attached to a message of the assistant's, and show where it is.

    What cannot be had is told; the printing goes on.
    """
    for attachment in attachments:
        name = one_line(str(attachment.get("filename")), _NAME)
        if attachment["file_id"] is None:
            sheet.notice(f"{name} was not kept: {attachment.get('error')}", is_bad=True)
            continue
        try:
            path = await download_file(
                current_client(), run_id, attachment["file_id"], FOLDER / run_id
            )
        except (OSError, errors.ThreadmillError) as error:
            sheet.notice(f"{name} could not be downloaded ({type(error).__name__})", is_bad=True)
            continue
        if path is not None:
            sheet.link(path.resolve())
