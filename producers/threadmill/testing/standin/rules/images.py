"""Rules for images in messages."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Any

from threadmill.testing.standin.rules.rule import Inspection, Violation, missing, rule

_VISION = "https://platform.openai.com/docs/guides/images-vision#image-input-requirements"
_DATA = re.compile(r"data:image/([a-z0-9.+-]+);base64,")
_HEADS = {
    "png": b"\x89PNG\r\n\x1a\n",
    "jpeg": b"\xff\xd8\xff",
    "jpg": b"\xff\xd8\xff",
    "gif": b"GIF8",
    "webp": b"RIFF",
}
_IMAGES = 500


@rule(
    "images that are neither an address of the web nor a data URL of an image",
    source="https://community.openai.com/t/responses-api-image-upload-error-worked-before/1289584",
)
def image_urls(request: Inspection) -> Iterator[Violation]:
    """Find addresses that nothing can be fetched from."""
    for place, url in _urls(request):
        if not isinstance(url, str):
            yield missing(place)
        elif not url.startswith(("http://", "https://")) and not _DATA.match(url):
            yield Violation(
                f"Invalid image URL: '{place}'. Expected a base64-encoded data URL with an image "
                "MIME type (e.g. 'data:image/png;base64,aW1nIGJ5dGVzIGhlcmU='), but got a value "
                "without the 'data:' prefix.",
                place,
                "invalid_value",
            )


@rule(
    "data of images that is no base64, or no PNG, JPEG, GIF or WebP",
    source="https://github.com/XiaomiMiMo/MiMo-Code/issues/2411; " + _VISION,
)
def image_formats(request: Inspection) -> Iterator[Violation]:
    """Find images that cannot be read."""
    for place, url in _urls(request):
        found = _DATA.match(url) if isinstance(url, str) else None
        if found and not _is_image(found[1], url[found.end() :]):
            yield Violation(
                "You uploaded an unsupported image. Please make sure your image is valid and has "
                "one of the following formats: png, jpeg, gif, webp.",
                place,
                "invalid_image_format",
            )


@rule("more than 500 images", source=_VISION)
def image_count(request: Inspection) -> Iterator[Violation]:
    """Find too many images."""
    count = sum(1 for _ in _urls(request))
    if count > _IMAGES:
        yield Violation(
            f"Too many images in request: {count}. The maximum is {_IMAGES}.",
            request.place,
            "too_many_images",
        )


def _urls(request: Inspection) -> Iterator[tuple[str, Any]]:
    for place, part, _ in request.parts:
        if part.get("type") == "image_url":
            image = part.get("image_url")
            yield f"{place}.image_url.url", image.get("url") if isinstance(image, dict) else None
        elif part.get("type") == "input_image" and "file_id" not in part:
            yield f"{place}.image_url", part.get("image_url")


def _is_image(kind: str, data: str) -> bool:
    """Whether the first bytes are of the kind; the rest need only be base64."""
    try:
        head = base64.b64decode(data[:64], validate=True)
    except (ValueError, binascii.Error):
        return False
    return len(data) % 4 == 0 and head.startswith(_HEADS.get(kind, b"\0none"))
