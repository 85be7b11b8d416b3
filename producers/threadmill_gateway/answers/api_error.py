"""Errors as the Assistants API answers them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

INVALID = "invalid_request_error"


class ApiError(Exception):
    """A request is refused, with a status and an error object.

    Attributes:
        status: of HTTP.
        error: the object that clients read: `message`, `type`, `param` and `code`.
        headers: to be sent besides.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        type: str = INVALID,
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.error: dict[str, Any] = {
            "message": _with_one_quote(message),
            "type": type,
            "param": param,
            "code": code,
        }
        self.headers = dict(headers or {})

    @property
    def body(self) -> dict[str, Any]:
        """The body of the answer."""
        return {"error": self.error}

    @property
    def event(self) -> dict[str, Any]:
        """The data of an `error` event.

        It has the error twice: SDKs for Python raise only what is below `error`, others read the
        top level.
        """
        return {**self.error, "error": self.error}


def _with_one_quote(message: str) -> str:
    """The message with one kind of quotation mark.

    SDKs for Python before 3.0 show it as Python writes a string, which puts a backslash before an
    apostrophe if there is a double quote, too; programs that search the text do not find it then.
    """
    return message.replace('"', "'") if "'" in message else message
