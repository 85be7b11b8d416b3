"""The provider's hosted tools, for `Assistant(tools=[...])`."""

from threadmill_shared.hosted_tools import CodeInterpreter, FileSearch

__all__ = ["CodeInterpreter", "FileSearch"]
