"""Tools: Python functions that a model can call.

A function becomes a tool with `@tool`, or as an entry of `Assistant(tools=[...])`. Its name,
docstring and annotations make the JSON schema that the model sees; what the model writes is
validated against the annotations and coerced before the function is called.
"""

from __future__ import annotations

from threadmill_shared.tools.call_context import CallContext, NoCurrentCall, calling, current_call
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
