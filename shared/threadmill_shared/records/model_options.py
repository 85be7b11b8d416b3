"""Options of the model, by name."""

from __future__ import annotations

from typing import Literal

MODEL_OPTIONS = (
    "temperature",
    "top_p",
    "max_completion_tokens",
    "max_prompt_tokens",
    "parallel_tool_calls",
    "tool_choice",
    "truncation_strategy",
    "reasoning_effort",
    "verbosity",
    "service_tier",
    "safety_identifier",
    "extra_body",
)
"""Options of the model that an assistant can have as well as a run; a run's own option wins."""

ReasoningEffort = Literal["none", "minimal", "low", "medium", "high", "xhigh"]
Verbosity = Literal["low", "medium", "high"]
