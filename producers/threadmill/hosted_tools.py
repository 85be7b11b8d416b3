"""The provider's hosted tools, for `Assistant(tools=[...])`."""

from threadmill_shared.hosted_tools import CodeInterpreter, FileSearch, WebSearch

__all__ = ["CodeInterpreter", "FileSearch", "WebSearch"]
