"""Tools: Python functions that a model can call.

A function becomes a tool with `@tool`, or as an entry of `Assistant(tools=[...])`. Its name,
docstring and annotations make the JSON schema that the model sees; what the model writes is
validated against the annotations and coerced before the function is called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from threadmill_shared.lazy_imports import lazy_names

if TYPE_CHECKING:
    from threadmill_shared.tools.call_context import (
        CallContext,
        NoCurrentCall,
        calling,
        current_call,
    )
    from threadmill_shared.tools.decorator import as_tool, tool
    from threadmill_shared.tools.function_tool import Tool
    from threadmill_shared.tools.output import (
        ENDRUN_TOKEN,
        EndRun,
        cut_output,
        encodable,
        render_output,
    )
    from threadmill_shared.tools.registry import ToolRegistry
    from threadmill_shared.tools.spec import (
        OnInterrupt,
        ToolSpec,
        check_tool_count,
        external_spec,
    )

__all__ = [
    "ENDRUN_TOKEN",
    "CallContext",
    "EndRun",
    "NoCurrentCall",
    "OnInterrupt",
    "Tool",
    "ToolRegistry",
    "ToolSpec",
    "as_tool",
    "calling",
    "check_tool_count",
    "current_call",
    "cut_output",
    "encodable",
    "external_spec",
    "render_output",
    "tool",
]

if not TYPE_CHECKING:  # a type checker that saw this would take every name for one of ours
    __getattr__ = lazy_names(
        __name__,
        {
            "CallContext": "threadmill_shared.tools.call_context",
            "ENDRUN_TOKEN": "threadmill_shared.tools.output",
            "EndRun": "threadmill_shared.tools.output",
            "NoCurrentCall": "threadmill_shared.tools.call_context",
            "OnInterrupt": "threadmill_shared.tools.spec",
            "Tool": "threadmill_shared.tools.function_tool",
            "ToolRegistry": "threadmill_shared.tools.registry",
            "ToolSpec": "threadmill_shared.tools.spec",
            "as_tool": "threadmill_shared.tools.decorator",
            "calling": "threadmill_shared.tools.call_context",
            "check_tool_count": "threadmill_shared.tools.spec",
            "current_call": "threadmill_shared.tools.call_context",
            "cut_output": "threadmill_shared.tools.output",
            "encodable": "threadmill_shared.tools.output",
            "external_spec": "threadmill_shared.tools.spec",
            "render_output": "threadmill_shared.tools.output",
            "tool": "threadmill_shared.tools.decorator",
        },
    )
