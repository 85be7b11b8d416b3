"""Which refusals are answered by leaving out something of earlier turns."""

import pytest

from threadmill_shared.errors import ModelRefused
from threadmill_workers.execution.reduction import PartKind
from threadmill_workers.execution.refusal import (
    blames_request,
    cause_of,
    may_be_of_history,
    suspect_kinds,
)


def refused(reason: str = "", status: int | None = 400, **words: str) -> ModelRefused:
    return ModelRefused("No.", status=status, reason=reason, **words)


@pytest.mark.parametrize(
    "error",
    [
        refused("The encrypted content for item rs_1 could not be verified."),
        refused("Container is expired.", param="input"),
        refused("Invalid value", param="input[3].call_id"),
        refused("Invalid value", param="messages.[2].content"),
        refused("string too long", status=422, param="messages.3.content"),
        refused("Invalid 'messages[1].content': temperature is not allowed here."),
        refused("Unknown parameter.", code="unknown_parameter", param="messages[1].reasoning"),
        refused("Unknown parameter: 'input[2].extra'.", code="unknown_parameter"),
        refused(
            "messages.2.assistant.reasoning: property is unsupported", param="validation_error"
        ),
        refused("Item with id 'rs_7' not found.", status=404),
        refused("Container 'cntr_1' not found.", status=404),
        refused("roles must alternate user/assistant"),
        refused("Invalid request", status=None),
        refused("No such file", param="tools[0].container.file_ids[0]"),
        refused("The model llava-x: image input is not supported"),
        refused("", status=400),
        refused("Request contains an invalid argument.", code="INVALID_ARGUMENT"),
        refused("Provided image is not valid. Invalid argument."),
        refused("Invalid argument: image is too small"),
        refused("Invalid parameter: messages with role 'tool' must be a response to a call."),
        refused("Missing parameter 'tool_call_id': messages with role 'tool' must have one."),
        refused("Invalid request parameters: message content is empty"),
        refused("Missing argument: content of message 3"),
        refused("Unknown parameter: 'reasoning_content'.", code="unknown_parameter"),
        refused("No endpoints found that support image input", status=404),
        refused("Could not find the API key for decrypting reasoning rs_1"),
        refused("Error while downloading https://gone.example/x.jpg.", param="url"),
        refused("No.", param="image_url"),
        refused("No.", param="container"),
        refused("Could not process image budget.png"),
        refused("Your input was flagged", status=403),
        refused("Content violates usage guidelines.", status=403),
        refused("Unsupported media type: image/tiff", status=415),
        refused("image input is not supported - hint: you may need the mmproj", status=500),
        refused("Jinja Exception: conversation roles must alternate", status=500),
    ],
)
def test_a_refusal_may_be_of_the_history(error):
    assert may_be_of_history(error)


@pytest.mark.parametrize(
    "error",
    [
        refused("No.", param="temperature"),
        refused("No.", param="tools[0].function.parameters"),
        refused("No.", param="model"),
        refused("No.", param="include"),
        refused("No.", code="model_not_found"),
        refused("Unknown parameter: 'top_k'.", code="unknown_parameter", param="top_k"),
        refused("The model `x` does not exist", status=404),
        refused("404 page not found", status=404),
        refused("model 'x' not found, try pulling it first", status=404),
        refused("Invalid 'temperature': must be at most 2."),
        refused("Unsupported parameter: 'max_tokens'."),
        refused("Unrecognized request argument supplied: tools"),
        refused("Unknown parameter: 'reasoning'.", code="unknown_parameter"),
        refused("Invalid parameter: foo"),
        refused("Invalid API key"),
        refused("No endpoints found for x/y.", status=404),
        refused("Invalid schema for function 'f'."),
        refused("The model x is not supported"),
        refused("The model gpt-4-vision does not exist"),
        refused("Incorrect API key", status=401),
        refused("No access", status=403),
        refused("Budget has been exceeded! Current cost: 1.2"),
        refused("", status=None),
    ],
)
def test_a_refusal_of_model_key_or_parameter_is_not(error):
    assert not may_be_of_history(error)


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("The encrypted content could not be decrypted.", PartKind.REASONING),
        ("Container is expired.", PartKind.HOSTED_CALLS),
        ("Invalid image data.", PartKind.FILES),
        ("Invalid 'input': array too long. Expected at most 60 items.", PartKind.TURNS),
        ("No.", None),
    ],
)
def test_words_point_at_a_kind(reason, kind):
    assert suspect_kinds(refused(reason)) == ([] if kind is None else [kind])


def test_ids_and_numbers_make_no_other_cause():
    one, other = refused("Item rs_a1 at 3 is bad"), refused("Item rs_b22 at 17 is bad")
    assert cause_of(one) == cause_of(other)
    assert cause_of(one) != cause_of(refused("Item rs_a1 at 3 is odd"))
    assert cause_of(one) != cause_of(refused("Item rs_a1 at 3 is bad", status=422))


@pytest.mark.parametrize(
    ("error", "is_of_request"),
    [
        (refused("Invalid prompt: it was flagged.", code="invalid_prompt", status=None), True),
        (refused("Input blocked by the filter.", status=None), True),
        (refused("Container is expired.", status=None), True),
        (refused("The model has stopped.", status=None), False),
    ],
)
def test_an_error_in_an_answer_is_of_the_request_if_it_says_so(error, is_of_request):
    assert blames_request(error) == is_of_request
