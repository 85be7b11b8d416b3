"""What a provider says against a file, as opposed to what may pass or is wrong for all files."""

from __future__ import annotations

import re

from openai import APIStatusError

from threadmill_shared.model import FileRefused
from threadmill_workers.models.error_report import ErrorReport, read_report
from threadmill_workers.models.errors import told_message
from threadmill_workers.models.quotes import PrivateTexts

_NOT_OF_FILES = frozenset({401, 402, 403, 407, 408, 409, 423, 424, 425, 429})
"""Statuses of the key, the account, or of the moment."""
_NOT_IMPLEMENTED = 501
_ACCOUNT = re.compile(r"\bapi.?key\b|\bquota\b|\bbilling\b|\bcredits?\b", re.IGNORECASE)


def file_refusal(error: APIStatusError, private: PrivateTexts) -> FileRefused | None:
    """The refusal of a file that the error means; None: it means something else.

    Args:
        error: what the openai package raised.
        private: what the reason must not repeat.
    """
    status = error.status_code
    is_final = status == _NOT_IMPLEMENTED or (400 <= status < 500 and status not in _NOT_OF_FILES)
    report = read_report(error.body, status, error.response.headers)
    if not is_final or _ACCOUNT.search(" ".join((*report.words, report.message))):
        return None
    return FileRefused(told_message(report, private) or f"HTTP {status}", status=status)


def index_failure(code: str, message: str, private: PrivateTexts) -> str:
    """Why a file cannot be searched, from the error that its state has."""
    told = told_message(ErrorReport(status=None, message=message), private)
    return told or code or "the provider does not say why"
