"""Opening a saved file, in whatever encoding a system has written it."""

from __future__ import annotations

import codecs
import gzip
import shutil
import tempfile
import zlib
from pathlib import Path
from typing import BinaryIO, cast

from threadmill_shared import errors

_GZIP = b"\x1f\x8b"
_MARKS = (
    # In this order: the mark of UTF-32 begins like that of UTF-16.
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    # Without a byte order mark, the zeros around the first `{` tell.
    (b"{\0\0\0", "utf-32-le"),
    (b"\0\0\0{", "utf-32-be"),
    (b"{\0", "utf-16-le"),
    (b"\0{", "utf-16-be"),
)


def open_as_utf8(path: str | Path) -> BinaryIO:
    """Open a file for reading bytes in UTF-8, even if it is in UTF-16 or UTF-32 or compressed.

    What has to be converted is copied to a temporary file. The caller closes what is returned.

    Raises:
        CallerError: it is compressed, and damaged.
        OSError: it cannot be read.
    """
    file: BinaryIO = Path(path).open("rb")  # noqa: SIM115  the caller's to close
    if _begins_with(file, _GZIP):
        file = _uncompressed(file)
    for mark, encoding in _MARKS:
        if _begins_with(file, mark):
            return _in_utf8(file, encoding)
    return file


def _begins_with(file: BinaryIO, mark: bytes) -> bool:
    file.seek(0)
    found = file.read(len(mark)) == mark
    file.seek(0)
    return found


def _uncompressed(file: BinaryIO) -> BinaryIO:
    copy = _temporary_file()
    try:
        with file, gzip.open(file) as source:
            shutil.copyfileobj(source, copy)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        copy.close()
        message = f"The file is compressed with gzip, and damaged: {error}"
        raise errors.CallerError(message) from None
    return copy


def _in_utf8(file: BinaryIO, encoding: str) -> BinaryIO:
    copy = _temporary_file()
    with file:
        # Not "strict": half of a surrogate pair is mended as it is in a file in UTF-8.
        shutil.copyfileobj(
            codecs.getreader(encoding)(file, "replace"), codecs.getwriter("utf-8")(copy)
        )
    copy.seek(0)
    return copy


def _temporary_file() -> BinaryIO:
    return cast("BinaryIO", tempfile.TemporaryFile())
