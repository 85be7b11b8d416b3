"""Names of the provider's hosted tools; using them is not supported yet."""

from __future__ import annotations


class CodeInterpreter:
    """The provider's sandbox for Python code."""


class FileSearch:
    """The provider's search in uploaded files."""
