"""Each rule of the stand-in refuses what it says, in the provider's words, and nothing else."""

from __future__ import annotations

import base64
import json
from typing import Any, NamedTuple

import pytest
from openai.types import chat, responses
from openai.types.responses import response_input_item_param as items
from openai.types.responses.tool_param import CodeInterpreter

from threadmill.testing.standin import chat_input, parameters, responses_input
from threadmill.testing.standin.faults import Refusal
from threadmill.testing.standin.hosting import Hosting, VectorStore
from threadmill.testing.standin.reasoning import seal
from threadmill.testing.standin.rules import RULES, RuleSet

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n and more").decode()
USER: dict[str, Any] = {"role": "user", "content": "Hello!"}
SCHEMA: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "integer"}}}
PAIR = {"pair": {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}]}}
STRICT = SCHEMA | {"required": ["a"], "additionalProperties": False}

# ---- whole requests that every provider takes --------------------------------------------------

CALL = {"type": "function_call", "call_id": "call_1", "name": "add", "arguments": '{"a": 1}'}
OUTPUT = {"type": "function_call_output", "call_id": "call_1", "output": "3"}
REASONING = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": seal("m", "")}
CODE = {
    "type": "code_interpreter_call",
    "id": "ci_1",
    "code": "1",
    "container_id": "cntr_1",
    "outputs": None,
    "status": "completed",
}
WEB = {
    "type": "web_search_call",
    "id": "ws_1",
    "status": "completed",
    "action": {"type": "search", "query": "tea"},
}
IMAGE = {"type": "input_image", "detail": "auto", "image_url": f"data:image/png;base64,{PNG}"}
SAID = {
    "type": "message",
    "id": "msg_1",
    "role": "assistant",
    "status": "completed",
    "content": [{"type": "output_text", "text": "Three.", "annotations": []}],
}
FUNCTION = {"type": "function", "name": "add", "description": "Add.", "parameters": SCHEMA}
CODE_TOOL = {"type": "code_interpreter", "container": {"type": "auto", "file_ids": ["file-1"]}}
SEARCH_TOOL = {"type": "file_search", "vector_store_ids": ["vs_1"]}
WEB_TOOL = {
    "type": "web_search",
    "search_context_size": "low",
    "user_location": {"type": "approximate", "city": "London"},
    "filters": {"allowed_domains": ["example.com"]},
}
RESULT = {"type": "json_schema", "name": "sum", "schema": STRICT, "strict": True}
RESPONSES: dict[str, Any] = {
    "model": "m",
    "input": [
        {"role": "user", "content": [{"type": "input_text", "text": "Add!"}, IMAGE]},
        REASONING,
        CALL,
        OUTPUT,
        CODE,
        WEB,
        SAID,
    ],
    "tools": [FUNCTION, CODE_TOOL, SEARCH_TOOL, WEB_TOOL],
    "tool_choice": {"type": "function", "name": "add"},
    "include": ["web_search_call.action.sources", "reasoning.encrypted_content"],
    "temperature": 2,
    "max_output_tokens": 16,
    "metadata": {"a": "b"},
    "reasoning": {"effort": "low"},
    "text": {"format": RESULT},
    "store": False,
}

CHAT_CALL = {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": "{}"}}
CHAT_CALLS = {"role": "assistant", "content": None, "tool_calls": [CHAT_CALL]}
CHAT_OUTPUT = {"role": "tool", "tool_call_id": "call_1", "content": "3"}
CHAT_IMAGE = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
CHAT_TOOL = {"type": "function", "function": {"name": "add", "parameters": SCHEMA}}
CHAT: dict[str, Any] = {
    "model": "m",
    "messages": [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": [{"type": "text", "text": "Add!"}, CHAT_IMAGE]},
        CHAT_CALLS,
        CHAT_OUTPUT,
        {"role": "assistant", "content": "Three."},
    ],
    "tools": [CHAT_TOOL],
    "tool_choice": "required",
    "max_completion_tokens": 1,
    "reasoning_effort": "minimal",
    "response_format": {
        "type": "json_schema",
        "json_schema": {"name": "sum", "schema": STRICT, "strict": True},
    },
    "stream": True,
    "stream_options": {"include_usage": True},
}


def hosting() -> Hosting:
    kept = Hosting()
    kept.containers["cntr_1"] = {}
    kept.vector_stores["vs_1"] = VectorStore("vs_1", "books")
    kept.files["file-1"] = kept.upload("a.txt", b"a", "assistants")
    kept.given_reasoning["scripted"] = "m"
    return kept


def judge(body: dict[str, Any], rules: RuleSet, raw: bytes | None = None) -> Refusal | None:
    read = chat_input.read if "messages" in body else responses_input.read
    request = read(body, json.dumps(body).encode() if raw is None else raw, {})
    return rules.judge(request, hosting())


class Case(NamedTuple):
    rule: str
    change: dict[str, Any]
    """What is other than in the whole request; None takes a parameter away."""
    says: str
    raw: bytes | None = None


def said(*entries: Any) -> dict[str, Any]:
    return {"input": [USER, *entries]}


def chatted(*entries: Any) -> dict[str, Any]:
    return {"messages": [USER, *entries]}


def chat_tool(**function: Any) -> dict[str, Any]:
    tool = {"type": "function", "function": CHAT_TOOL["function"] | function}  # type: ignore[operator]
    return {"messages": [USER], "tools": [tool], "tool_choice": "auto"}


def schema(**changes: Any) -> dict[str, Any]:
    return {"tools": [FUNCTION | {"parameters": SCHEMA | changes}]}


def named(name: str, id: str = "call_1", arguments: str = "{}") -> list[dict[str, Any]]:
    call = {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}
    return [CHAT_CALLS | {"tool_calls": [call]}, CHAT_OUTPUT | {"tool_call_id": id}]


CASES = [
    Case("body_size", {}, "too large", raw=b" " * (50 * 1024 * 1024 + 1)),
    Case("valid_json", {"top_p": float("nan")}, "could not parse the JSON", raw=b'{"top_p": NaN}'),
    Case("valid_json", {"instructions": "\ud83d"}, "could not parse the JSON"),
    Case("required_parameters", {"model": None}, "Missing required parameter: 'model'"),
    Case("empty_conversation", {"input": []}, "Invalid 'input': empty array"),
    Case("empty_conversation", {"messages": []}, "Invalid 'messages': empty array"),
    Case("array_of_objects", {"input": ["Hello!"]}, "Invalid type for 'input'"),
    Case("array_of_objects", {"messages": "Hello!"}, "Invalid type for 'messages'"),
    Case("unknown_parameters", {"max_tokens": 5}, "Unknown parameter: 'max_tokens'"),
    Case(
        "unknown_parameters",
        {"messages": [USER], "max_output_tokens": 5},
        "Unknown parameter: 'max_output_tokens'",
    ),
    Case("kept_responses", {"previous_response_id": "resp_1"}, "cannot do 'previous_response_id'"),
    Case(
        "stream_options",
        {"messages": [USER], "stream": False},
        "only allowed when 'stream' is enabled",
    ),
    Case("number_ranges", {"temperature": 2.1}, "Expected a value <= 2, but got 2.1 instead"),
    Case("number_ranges", {"top_p": -1}, "Expected a value >= 0, but got -1 instead"),
    Case("number_ranges", {"temperature": "1"}, "Invalid type for 'temperature'"),
    Case("token_limits", {"max_output_tokens": 15}, "Expected a value >= 16, but got 15 instead"),
    Case("token_limits", {"messages": [USER], "max_completion_tokens": 0}, "value >= 1"),
    Case("two_token_limits", {"messages": [USER], "max_tokens": 9}, "at the same time"),
    Case("known_values", {"reasoning": {"effort": "huge"}}, "Invalid value: 'huge'"),
    Case("known_values", {"messages": [USER], "reasoning_effort": "huge"}, "Invalid value: 'huge'"),
    Case("known_values", {"service_tier": "gold"}, "Supported values are: 'auto', 'default'"),
    Case("known_includes", {"include": ["everything"]}, "Invalid value: 'everything'"),
    Case("metadata_limits", {"metadata": {str(i): "" for i in range(17)}}, "at most 16 properties"),
    Case("metadata_limits", {"metadata": {"a": "b" * 513}}, "maximum length 512"),
    Case("metadata_limits", {"metadata": {"a": 1}}, "Invalid type for 'metadata.a'"),
    Case("identifier_lengths", {"safety_identifier": "u" * 65}, "maximum length 64"),
    Case("tools_empty", {"messages": [USER], "tools": []}, "Invalid 'tools': empty array"),
    Case("tool_types", {"tools": [{"type": "mcp"}]}, "Invalid value: 'mcp'"),
    Case("tool_types", {"messages": [USER], "tools": [{"type": "web_search"}]}, "'web_search'"),
    Case(
        "tool_count",
        {"tools": [FUNCTION | {"name": f"add{number}"} for number in range(129)]},
        "maximum length 128, but got an array with length 129 instead",
    ),
    Case("tool_names", {"tools": [FUNCTION | {"name": "a b"}]}, "'tools[0].name': string does not"),
    Case("tool_names", {"tools": [FUNCTION | {"name": "a" * 65}]}, "maximum length 64"),
    Case("tool_names", {"tools": [CHAT_TOOL]}, "Missing required parameter: 'tools[0].name'"),
    Case("tool_names", {"messages": [USER], "tools": [FUNCTION]}, "'tools[0].function'"),
    Case("tool_names_repeated", {"tools": [FUNCTION, FUNCTION]}, "Tool names must be unique"),
    Case("tool_descriptions", chat_tool(description="a" * 1025), "maximum length 1024"),
    Case("unknown_tool_fields", {"tools": [FUNCTION | {"x": 1}]}, "parameter: 'tools[0].x'"),
    Case("unknown_tool_fields", chat_tool(x=1), "Unknown parameter: 'tools[0].function.x'"),
    Case("function_schema", {"tools": [FUNCTION | {"parameters": {}}]}, "got 'type: \"None\"'"),
    Case("function_schema", chat_tool(parameters={"type": "array"}), "got 'type: \"array\"'"),
    Case(
        "function_schema",
        {"tools": [FUNCTION | {"parameters": {"type": "object"}}]},
        "In context=(), object schema missing properties",
    ),
    Case(
        "schema_parts",
        schema(properties={"a": {"type": "array", "prefixItems": [{"type": "string"}]}}),
        "In context=('properties', 'a'), array schema missing items",
    ),
    Case("schema_parts", schema(properties=None), "None is not of type 'object'"),
    Case(
        "schema_parts",
        schema(properties={"a": {"anyOf": [{"type": "text"}]}}),
        "In context=('properties', 'a', 'anyOf', '0'), 'text' is not valid",
    ),
    Case(
        "strict_function_schema",
        {"tools": [FUNCTION | {"strict": True}]},
        "'additionalProperties' is required to be supplied and to be false",
    ),
    Case(
        "strict_function_schema",
        {"tools": [FUNCTION | {"strict": True, "parameters": STRICT | {"required": []}}]},
        "Missing 'a'",
    ),
    Case(
        "strict_function_schema",
        chat_tool(strict=True, parameters=STRICT | {"allOf": []}),
        "'allOf' is not permitted",
    ),
    Case(
        "choice_without_tools",
        {"messages": [USER], "tools": None, "tool_choice": "auto"},
        "'tool_choice' is only allowed when 'tools' are specified",
    ),
    Case(
        "choice_without_tools",
        {"messages": [USER], "tools": None, "tool_choice": None, "parallel_tool_calls": True},
        "'parallel_tool_calls' is only allowed",
    ),
    Case(
        "choice_of_tool",
        {"tool_choice": {"type": "function", "name": "gone"}},
        "Tool choice 'gone' not found in 'tools' parameter",
    ),
    Case("choice_of_tool", {"tools": [FUNCTION], "tool_choice": {"type": "file_search"}}, "found"),
    Case("choice_of_tool", {"tool_choice": {"type": "web_search"}}, "Invalid value: 'web_search'"),
    Case(
        "choice_of_tool",
        {
            "tools": [FUNCTION],
            "tool_choice": {
                "type": "allowed_tools",
                "mode": "required",
                "tools": [{"type": "web_search"}],
            },
        },
        "Tool choice 'web_search' not found",
    ),
    Case("choice_of_tool", {"tool_choice": "always"}, "Supported values are: 'auto', 'none'"),
    Case("choice_of_tool", {"tools": None, "tool_choice": "required"}, "not found in 'tools'"),
    Case("result_name", {"text": {"format": RESULT | {"name": "a b"}}}, "'text.format.name'"),
    Case(
        "result_name",
        {"text": {"format": {"type": "json_schema", "schema": STRICT}}},
        "Missing required parameter: 'text.format.name'",
    ),
    Case(
        "result_schema",
        {"text": {"format": RESULT | {"schema": {"type": "array", "items": {}}}}},
        "Invalid schema for response_format 'sum'",
    ),
    Case("result_schema", {"text": {"format": RESULT | {"schema": SCHEMA}}}, "and to be false"),
    Case(
        "result_schema",
        {"text": {"format": RESULT | {"strict": False, "schema": SCHEMA | {"properties": PAIR}}}},
        "In context=('properties', 'pair'), array schema missing items",
    ),
    Case("json_word", {"text": {"format": {"type": "json_object"}}}, "the word 'json'"),
    Case(
        "json_word",
        {"messages": [USER], "response_format": {"type": "json_object"}},
        "'messages' must contain the word 'json'",
    ),
    Case("containers", {"tools": [FUNCTION, {"type": "code_interpreter"}]}, "[1].container'"),
    Case(
        "containers",
        {"tools": [FUNCTION, {"type": "code_interpreter", "container": "cntr_0"}]},
        "Container with id 'cntr_0' not found",
    ),
    Case(
        "containers",
        {"tools": [FUNCTION, CODE_TOOL | {"container": {"type": "auto", "file_ids": ["f"]}}]},
        "File with id 'f' not found",
    ),
    Case(
        "vector_stores",
        {"tools": [FUNCTION, SEARCH_TOOL | {"vector_store_ids": []}]},
        "Missing required parameter: 'tools[1].vector_store_ids'",
    ),
    Case(
        "vector_stores",
        {"tools": [FUNCTION, SEARCH_TOOL | {"vector_store_ids": ["vs_0"]}]},
        "Vector store with id ['vs_0'] not found",
    ),
    Case("web_searches", {"tools": [FUNCTION, WEB_TOOL | {"search_context_size": "all"}]}, "'all'"),
    Case(
        "web_searches",
        {"tools": [FUNCTION, WEB_TOOL | {"filters": {"domains": []}}]},
        "Unknown parameter: 'tools[1].filters.domains'",
    ),
    Case(
        "web_searches",
        {"tools": [FUNCTION, WEB_TOOL | {"user_location": {"type": "exact"}}]},
        "Invalid value: 'exact'",
    ),
    Case("item_types", said({"type": "text", "text": "Hi"}), "Invalid value: 'text'"),
    Case("item_fields", said({"type": "function_call", "call_id": "c"}), "'input[1].name'"),
    Case("item_fields", said(CODE | {"outputs": [{"type": "text"}]}), "'image', 'logs'"),
    Case("item_fields", said({k: v for k, v in CODE.items() if k != "outputs"}), "[1].outputs'"),
    Case("item_fields", said(WEB | {"action": {}}), "Invalid value: 'None'"),
    Case("item_fields", said(WEB | {"status": "done"}), "Invalid value: 'done'"),
    Case("item_ids", said(SAID | {"id": "m_1"}), "Expected an ID that begins with 'msg'"),
    Case("item_ids", said(CODE | {"id": "cntr_1"}), "Expected an ID that begins with 'ci'"),
    Case("item_ids", said(SAID | {"id": "msg_ 1"}), "letters, numbers, underscores, or dashes"),
    Case("item_ids", said(SAID | {"id": "msg_" + "1" * 61}), "maximum length 64"),
    Case("repeated_items", said(SAID, SAID), "Duplicate item found with id msg_1"),
    Case("roles", said({"role": "tool", "content": "3"}), "Invalid value: 'tool'"),
    Case("roles", chatted({"role": "bot", "content": "3"}), "Invalid value: 'bot'"),
    Case("content", chatted({"role": "assistant"}), "expected a string, got null"),
    Case("content", said({"role": "user"}), "expected a string, got null"),
    Case(
        "content_types",
        said({"role": "user", "content": [{"type": "text", "text": "Hi"}]}),
        "Invalid value: 'text'",
    ),
    Case(
        "content_types",
        chatted({"role": "user", "content": [{"type": "input_text", "text": "Hi"}]}),
        "Invalid value: 'input_text'",
    ),
    Case("call_form", chatted(CHAT_CALLS | {"tool_calls": [{"id": "c"}]}), "[0].function'"),
    Case("unknown_fields", said(CALL | {"run_id": "r"}, OUTPUT), "parameter: 'input[1].run_id'"),
    Case(
        "unknown_fields",
        chatted(CHAT_CALLS | {"reasoning_content": "Hm."}, CHAT_OUTPUT),
        "Unknown parameter: 'messages[1].reasoning_content'",
    ),
    Case(
        "unknown_fields",
        said({"role": "user", "content": [{"type": "input_text", "text": "a", "x": 1}]}),
        "Unknown parameter: 'input[1].content[0].x'",
    ),
    Case(
        "image_urls",
        said({"role": "user", "content": [IMAGE | {"image_url": PNG}]}),
        "Invalid image URL: 'input[1].content[0].image_url'",
    ),
    Case(
        "image_urls",
        chatted({"role": "user", "content": [CHAT_IMAGE | {"image_url": {"url": "a.png"}}]}),
        "without the 'data:' prefix",
    ),
    Case(
        "image_formats",
        said({"role": "user", "content": [IMAGE | {"image_url": f"data:image/bmp;base64,{PNG}"}]}),
        "png, jpeg, gif, webp",
    ),
    Case(
        "image_formats",
        chatted(
            {
                "role": "user",
                "content": [CHAT_IMAGE | {"image_url": {"url": "data:image/png;base64,AAAA"}}],
            }
        ),
        "unsupported image",
    ),
    Case("image_count", said({"role": "user", "content": [IMAGE] * 501}), "maximum is 500"),
    Case(
        "text_lengths",
        said({"role": "user", "content": "a" * 10_485_761}),
        "maximum length 10485760",
    ),
    Case("blank_texts", said({"role": "user", "content": " \n"}), "non-whitespace"),
    Case("blank_texts", said(CALL, OUTPUT | {"output": ""}), "non-whitespace"),
    Case("blank_texts", chatted(*named("add")[:1], CHAT_OUTPUT | {"content": ""}), "whitespace"),
    Case(
        "blank_texts",
        chatted({"role": "user", "content": [{"type": "text", "text": ""}, CHAT_IMAGE]}),
        "non-whitespace",
    ),
    Case("call_id_empty", said(CALL | {"call_id": ""}, OUTPUT | {"call_id": ""}), "empty string"),
    Case("call_id_empty", chatted(*named("add", id="")), "'messages[1].tool_calls[0].id': empty"),
    Case(
        "call_id_length",
        said(CALL | {"call_id": "c" * 65}, OUTPUT | {"call_id": "c" * 65}),
        "Invalid 'input[1].call_id': string too long. Expected a string with maximum length 64",
    ),
    Case("call_id_length", chatted(*named("add", id="c" * 41)), "maximum length 40"),
    Case("call_id_repeated", said(CALL, OUTPUT, CALL, OUTPUT), "must be unique: 'call_1'"),
    Case("call_id_repeated", chatted(*named("add"), *named("add")), "must be unique: 'call_1'"),
    Case(
        "call_names",
        said(CALL | {"name": "functions.add"}, OUTPUT),
        "Invalid 'input[1].name': string does not match pattern",
    ),
    Case("call_names", chatted(*named("")), "'messages[1].tool_calls[0].function.name'"),
    Case("call_names", chatted(*named("a" * 65)), "maximum length 64"),
    Case("call_arguments", said(CALL | {"arguments": '{"a": '}, OUTPUT), "Failed to parse"),
    Case("call_arguments", said(CALL | {"arguments": "null"}, OUTPUT), "must be a JSON object"),
    Case("call_arguments", chatted(*named("add", arguments='{"a": NaN}')), "Failed to parse"),
    Case("output_without_call", said(OUTPUT), "No tool call found for function call output"),
    Case("output_without_call", said(CALL, OUTPUT, OUTPUT), "with call_id call_1"),
    Case("output_without_call", chatted(CHAT_OUTPUT), "must be a response to a preceeding message"),
    Case("outputs_follow_calls", chatted(CHAT_CALLS, USER, CHAT_OUTPUT), "must be followed by"),
    Case("call_without_output", said(CALL), "No tool output found for function call call_1"),
    Case("call_without_output", chatted(CHAT_CALLS), "did not have response messages: call_1"),
    Case("expired_containers", said(CODE | {"container_id": "cntr_0"}), "Container is expired"),
    Case(
        "reasoning_whole",
        said({"type": "reasoning", "id": "rs_1", "summary": []}, SAID),
        "Item with id 'rs_1' not found",
    ),
    Case(
        "reasoning_origin",
        said(REASONING | {"encrypted_content": seal("other", "")}, SAID),
        "The encrypted content for item rs_1 could not be verified",
    ),
    Case(
        "reasoning_origin",
        said(REASONING | {"encrypted_content": "gAAAA"}, SAID),
        "could not be decrypted",
    ),
    Case("reasoning_followed", said(REASONING), "without its required following item"),
    Case("reasoning_followed", said(REASONING, USER, SAID), "without its required following item"),
    Case("alternating_roles", chatted(USER), "roles must alternate"),
    Case("reasoning_content", chatted(CHAT_CALLS, CHAT_OUTPUT), "Missing `reasoning_content`"),
]


def body_of(case: Case) -> dict[str, Any]:
    whole = CHAT if "messages" in case.change else RESPONSES
    changed = whole | case.change
    if "input" in case.change or "messages" in case.change:
        # What a case says is all that is said: of the rest only what it names is kept.
        kept = {"model", "input", "messages", *case.change}
        kept |= {"stream", "stream_options", "max_completion_tokens"} & whole.keys()
        changed = {name: value for name, value in changed.items() if name in kept}
    if "tools" in case.change and "tool_choice" not in case.change:
        changed.pop("tool_choice", None)
    return {name: value for name, value in changed.items() if value is not None}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.rule}-{case.says[:30]}")
def test_a_rule_refuses_what_it_says_and_is_switched_off_by_name(case: Case) -> None:
    rules = RuleSet()
    rules.refuse(case.rule)
    refusal = judge(body_of(case), rules, case.raw)
    assert refusal is not None
    assert (refusal.rule, case.says in refusal.message) == (case.rule, True), refusal.message
    rules.allow(case.rule)
    again = judge(body_of(case), rules, case.raw)
    assert again is None or again.rule != case.rule


def test_each_rule_has_a_request_that_it_refuses() -> None:
    assert {case.rule for case in CASES} == {rule.name for rule in RULES}


@pytest.mark.parametrize("body", [RESPONSES, CHAT], ids=["responses", "chat"])
def test_a_whole_request_is_refused_by_no_rule_by_default(body: dict[str, Any]) -> None:
    assert judge(body, RuleSet()) is None


def test_reasoning_is_taken_from_the_model_that_it_was_scripted_for() -> None:
    item = REASONING | {"encrypted_content": "scripted"}
    assert judge({"model": "m", "input": [USER, item, SAID]}, RuleSet()) is None
    assert judge({"model": "n", "input": [USER, item, SAID]}, RuleSet()) is not None


def test_a_lenient_set_refuses_nothing_but_what_is_switched_on() -> None:
    rules = RuleSet(strict=False)  # What this switches off is the subject.
    body = {"model": "m", "messages": [USER, USER], "nonsense": 1}
    assert judge(body, rules) is None
    rules.refuse("alternating_roles")
    assert (judge(body, rules) or Refusal(0, "")).rule == "alternating_roles"


def test_a_rule_that_does_not_exist_is_named_with_those_that_do() -> None:
    with pytest.raises(ValueError, match=r"no rule 'call_id'.*call_id_length"):
        RuleSet().allow("call_id")


def test_each_rule_names_its_source_and_provider() -> None:
    assert all(rule.source and rule.refuses and rule.provider for rule in RULES)
    assert len({rule.name for rule in RULES}) == len(RULES)


def test_the_fields_that_are_known_are_the_packages() -> None:
    """What the installed openai package can send is taken; see `parameters`."""
    known = parameters.ITEM_FIELDS | parameters.TOOL_FIELDS | parameters.CHAT_FIELDS
    types: dict[str, list[Any]] = {
        "message": [responses.EasyInputMessageParam, responses.ResponseOutputMessageParam],
        "function_call": [responses.ResponseFunctionToolCallParam],
        "function_call_output": [items.FunctionCallOutput],
        "reasoning": [responses.ResponseReasoningItemParam],
        "code_interpreter_call": [responses.ResponseCodeInterpreterToolCallParam],
        "file_search_call": [responses.ResponseFileSearchToolCallParam],
        "web_search_call": [responses.ResponseFunctionWebSearchParam],
        "part input_text": [responses.ResponseInputTextParam],
        "part input_image": [responses.ResponseInputImageParam],
        "part input_file": [responses.ResponseInputFileParam],
        "part output_text": [responses.ResponseOutputTextParam],
        "function": [responses.FunctionToolParam],
        "code_interpreter": [CodeInterpreter],
        "file_search": [responses.FileSearchToolParam],
        "web_search": [responses.WebSearchToolParam],
        "assistant": [chat.ChatCompletionAssistantMessageParam],
        "user": [chat.ChatCompletionUserMessageParam],
        "tool": [chat.ChatCompletionToolMessageParam],
        "system": [chat.ChatCompletionSystemMessageParam],
        "part text": [chat.ChatCompletionContentPartTextParam],
        "part image_url": [chat.ChatCompletionContentPartImageParam],
        "chat tool": [chat.ChatCompletionFunctionToolParam],
    }
    for name, kinds in types.items():
        for kind in kinds:
            assert set(kind.__annotations__) <= known[name], name
