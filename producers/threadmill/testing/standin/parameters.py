"""The names of all parameters and fields that each API knows; others are refused."""

RESPONSES = frozenset(
    {
        "access_programs",
        "background",
        "background_options",
        "context_management",
        "conversation",
        "image",
        "include",
        "input",
        "instructions",
        "max_output_tokens",
        "max_tool_calls",
        "metadata",
        "model",
        "moderation",
        "parallel_tool_calls",
        "previous_response_id",
        "prompt",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "reasoning",
        "safety_identifier",
        "service_tier",
        "store",
        "stream",
        "stream_options",
        "temperature",
        "text",
        "tool_choice",
        "tools",
        "top_logprobs",
        "top_p",
        "truncation",
        "user",
    }
)

CHAT = frozenset(
    {
        "audio",
        "frequency_penalty",
        "function_call",
        "functions",
        "logit_bias",
        "logprobs",
        "max_completion_tokens",
        "max_tokens",
        "messages",
        "metadata",
        "modalities",
        "model",
        "moderation",
        "n",
        "parallel_tool_calls",
        "prediction",
        "presence_penalty",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "reasoning_effort",
        "response_format",
        "safety_identifier",
        "seed",
        "service_tier",
        "stop",
        "store",
        "stream",
        "stream_options",
        "temperature",
        "tool_choice",
        "tools",
        "top_logprobs",
        "top_p",
        "user",
        "verbosity",
        "web_search_options",
    }
)

ITEM_FIELDS = {
    "message": frozenset({"content", "id", "phase", "role", "status", "type"}),
    "function_call": frozenset(
        {
            "arguments",
            "async",
            "call_id",
            "caller",
            "id",
            "name",
            "namespace",
            "status",
            "type",
        }
    ),
    "function_call_output": frozenset(
        {"call_id", "caller", "id", "name", "namespace", "output", "status", "type"}
    ),
    "reasoning": frozenset({"content", "encrypted_content", "id", "status", "summary", "type"}),
    "code_interpreter_call": frozenset({"code", "container_id", "id", "outputs", "status", "type"}),
    "file_search_call": frozenset({"id", "queries", "results", "status", "type"}),
    "web_search_call": frozenset({"action", "id", "status", "type"}),
    "part input_text": frozenset({"prompt_cache_breakpoint", "text", "type"}),
    "part input_image": frozenset(
        {"detail", "file_id", "image_url", "prompt_cache_breakpoint", "type"}
    ),
    "part input_file": frozenset(
        {
            "detail",
            "file_data",
            "file_id",
            "file_url",
            "filename",
            "prompt_cache_breakpoint",
            "type",
        }
    ),
    "part output_text": frozenset({"annotations", "logprobs", "text", "type"}),
    "part refusal": frozenset({"refusal", "type"}),
}
"""Fields of the items of the Responses API, by their type; of their parts, by `part` and type."""

CHAT_FIELDS = {
    "system": frozenset({"content", "name", "role"}),
    "developer": frozenset({"content", "name", "role"}),
    "user": frozenset({"content", "name", "role"}),
    "tool": frozenset({"content", "role", "tool_call_id"}),
    "assistant": frozenset(
        {"audio", "content", "function_call", "name", "refusal", "role", "tool_calls"}
    ),
    "part text": frozenset({"prompt_cache_breakpoint", "text", "type"}),
    "part image_url": frozenset({"image_url", "prompt_cache_breakpoint", "type"}),
    "part refusal": frozenset({"refusal", "type"}),
}
"""Fields of Chat's messages, by their role; of their parts, by `part` and type."""

TOOL_FIELDS = {
    "function": frozenset(
        {
            "allowed_callers",
            "async",
            "defer_loading",
            "description",
            "name",
            "output_schema",
            "parameters",
            "strict",
            "type",
        }
    ),
    "code_interpreter": frozenset({"allowed_callers", "container", "type"}),
    "file_search": frozenset(
        {"filters", "max_num_results", "ranking_options", "type", "vector_store_ids"}
    ),
    "web_search": frozenset(
        {"external_web_access", "filters", "search_context_size", "type", "user_location"}
    ),
    "chat tool": frozenset({"function", "type"}),
    "chat function": frozenset({"description", "name", "parameters", "strict"}),
}
"""Fields of the Responses API's tools, by their type, and of Chat's."""
