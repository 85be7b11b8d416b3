"""What is left out of a request, one kind after the other, until a provider takes it."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.histories import RUN, WORDS, Rule, histories, message, turn

from threadmill_shared.errors import ContextTooLong, ModelRefused
from threadmill_workers.execution.reduction import (
    LeftOut,
    PartKind,
    current_turn_start,
    kinds_of,
)
from threadmill_workers.execution.reduction_plan import MAX_EXTRA_REQUESTS, ReductionPlan


class Refusing:
    """A provider with rules, and what it was sent."""

    def __init__(self, rules: list[Rule]) -> None:
        self.rules = rules
        self.requests: list[list[Any]] = []

    def refusal(self, sent: list[Any]) -> ModelRefused | None:
        self.requests.append(sent)
        for rule in self.rules:
            if rule.refuses(sent):
                reason = rule.words.format(len(self.requests))
                return ModelRefused("No.", status=400, reason=reason)
        return None


def ask(items: list[Any], provider: Refusing) -> tuple[list[Any], LeftOut]:
    """Ask until the provider takes the request."""
    plan = ReductionPlan(items, 1, RUN, LeftOut())
    sent = plan.left_out.apply(items, 1)
    while (error := provider.refusal(sent)) is not None:
        plan.note_refusal(error)
        assert plan.advance()
        while (sent := plan.left_out.apply(items, 1)) in provider.requests:
            plan.skip()
            assert plan.advance()
    return sent, plan.left_out


def rules_of(items: list[Any], data: st.DataObject, *, named: bool, limit: int) -> list[Rule]:
    """Rules that earlier items break, each kind once."""
    earlier = items[: current_turn_start(items, RUN)]
    found: dict[PartKind, Any] = {}
    for item in earlier:
        for kind in kinds_of(item):
            is_plain = kind is PartKind.TURNS and len(list(kinds_of(item))) > 1
            if not is_plain and data.draw(st.booleans()):
                found.setdefault(kind, item)
    kinds = data.draw(st.permutations(list(found)))[:limit]
    return [Rule(k, found[k], WORDS[k] if named else f"Invalid {k.name}") for k in kinds]


def check_wholeness(items: list[Any], sent: list[Any]) -> None:
    current = items[current_turn_start(items, RUN) :]
    assert sent[-len(current) :] == current
    calls = [item["provider_id"] for item in sent if item["type"] == "tool_call"]
    assert calls == [item["provider_id"] for item in sent if item["type"] == "tool_output"]


@settings(max_examples=200, deadline=None)
@given(histories(), st.data())
def test_whatever_earlier_turns_left_the_run_is_answered(items, data):
    provider = Refusing(rules_of(items, data, named=False, limit=5))
    sent, _ = ask(items, provider)
    check_wholeness(items, sent)
    assert len(provider.requests) <= 1 + MAX_EXTRA_REQUESTS


@settings(max_examples=200, deadline=None)
@given(histories(), st.data())
def test_nothing_is_left_out_that_the_provider_would_have_taken(items, data):
    provider = Refusing(rules_of(items, data, named=True, limit=5))
    sent, left_out = ask(items, provider)
    check_wholeness(items, sent)
    refused = {rule.kind for rule in provider.rules}
    assert {kind for kind, at in left_out.through.items() if at} <= refused
    assert len(provider.requests) <= 1 + MAX_EXTRA_REQUESTS


@settings(max_examples=100, deadline=None)
@given(histories(), st.data())
def test_a_single_cause_is_found_without_words_that_name_it(items, data):
    provider = Refusing(rules_of(items, data, named=False, limit=1))
    sent, left_out = ask(items, provider)
    check_wholeness(items, sent)
    assert set(left_out.through) <= {rule.kind for rule in provider.rules}


def test_a_conversation_is_halved_until_it_fits():
    items = [item for n in range(64) for item in turn(f"t{n}", f"run_{n}", ["answer"])]
    items += turn("now", RUN, [])
    plan, sizes = ReductionPlan(items, 1, RUN, LeftOut()), []
    for _ in range(20):
        plan.note_refusal(ContextTooLong("No."))
        if not plan.advance():
            break
        sizes.append(len(plan.left_out.apply(items, 1)))
    assert sizes == [63, 31, 15, 7, 3, 1]


def test_a_request_of_too_many_bytes_loses_images_before_turns():
    items = [item for n in range(4) for item in turn(f"t{n}", f"run_{n}", ["files", "answer"])]
    items += turn("now", RUN, ["files"])
    plan, images = ReductionPlan(items, 1, RUN, LeftOut()), []
    for _ in range(2):
        plan.note_refusal(ContextTooLong("No.", in_bytes=True))
        assert plan.advance()
        sent = plan.left_out.apply(items, 1)
        assert len(sent) == len(items)
        images.append(sum(PartKind.FILES in kinds_of(item) for item in sent))
    assert images == [3, 1]


def test_a_request_without_history_is_not_asked_again():
    plan = ReductionPlan(turn("now", RUN, ["reasoning", "files"]), 1, RUN, LeftOut())
    plan.note_refusal(ModelRefused("No.", status=400))
    assert not plan.advance()


def test_the_message_of_a_run_that_failed_is_of_an_earlier_turn():
    failed = message("user", "before", "run_1", image=True)
    items = [failed, message("user", "added", None), message("user", "now", RUN)]
    assert current_turn_start(items, RUN) == 1
    assert current_turn_start(items[:1], RUN) == 0


def test_what_is_known_to_be_refused_is_not_sent_again():
    items = turn("t0", "run_0", ["reasoning", "answer"]) + turn("now", RUN, ["reasoning"])
    known = LeftOut({PartKind.REASONING: 99})
    sent = ReductionPlan(items, 1, RUN, known).left_out.apply(items, 1)
    assert [item["type"] for item in sent] == ["message", "message", "message", "reasoning"]
