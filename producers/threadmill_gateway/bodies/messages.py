"""Bodies of the calls on messages."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from threadmill_gateway.bodies.body import Body, Metadata
from threadmill_gateway.bodies.extensions import RequestExtension
from threadmill_gateway.bodies.violations import tag_of_type

LONGEST_TEXT = 256_000
"""Characters, as in OpenAI's API."""

ImageDetail = Literal["auto", "low", "high"]


class TextPart(Body):
    """A part of a message that is text."""

    type: Literal["text"]
    text: Annotated[str, Field(max_length=LONGEST_TEXT)]


class ImageUrl(Body):
    """The address of an image, or the image in a data URL."""

    url: str
    detail: ImageDetail | None = None


class ImageUrlPart(Body):
    """A part of a message that is an image on the web."""

    type: Literal["image_url"]
    image_url: ImageUrl


class ImageFile(Body):
    """An image that was uploaded."""

    file_id: str
    detail: ImageDetail | None = None


class ImageFilePart(Body):
    """A part of a message that is an uploaded image."""

    type: Literal["image_file"]
    image_file: ImageFile


Part = Annotated[
    Annotated[TextPart, Tag("#text")]
    | Annotated[ImageUrlPart, Tag("#image_url")]
    | Annotated[ImageFilePart, Tag("#image_file")],
    Discriminator(tag_of_type),
]


def _text_or_parts(value: object) -> str:
    return "#parts" if isinstance(value, list) else "#text"


Content = Annotated[
    Annotated[str, Field(min_length=1, max_length=LONGEST_TEXT), Tag("#text")]
    | Annotated[list[Part], Field(min_length=1), Tag("#parts")],
    Discriminator(_text_or_parts),
]


class AttachmentTool(Body):
    """A tool that gets an attached file."""

    type: Literal["code_interpreter", "file_search"]


class Attachment(Body):
    """A file that goes with a message."""

    file_id: str
    tools: list[AttachmentTool] | None = None


class MessageBody(Body):
    """A new message."""

    role: Literal["user", "assistant"]
    content: Content
    attachments: list[Attachment] | None = None
    metadata: Metadata | None = None


class NewMessageBody(MessageBody):
    """A message that is added by itself."""

    threadmill: RequestExtension | None = None


class MetadataChanges(Body):
    """New metadata of a message or a run; null changes nothing."""

    metadata: Metadata | None = None
