"""What is left out of a request, one kind after the other, until a provider takes it."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.histories import RUN, WORDS, Rule, histories, message, places, turn

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
    plan = ReductionPlan(items, places(items), RUN, LeftOut())
    sent = plan.left_out.apply(items, places(items))
    while (error := provider.refusal(sent)) is not None:
        plan.note_refusal(error)
        assert plan.advance()
        while (sent := plan.left_out.apply(items, places(items))) in provider.requests:
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
    assert {kind for kind, at in left_out.spans.items() if at} <= refused
    assert len(provider.requests) <= 1 + MAX_EXTRA_REQUESTS


@settings(max_examples=100, deadline=None)
@given(histories(), st.data())
def test_a_single_cause_is_found_without_words_that_name_it(items, data):
    provider = Refusing(rules_of(items, data, named=False, limit=1))
    sent, left_out = ask(items, provider)
    check_wholeness(items, sent)
    assert set(left_out.spans) <= {rule.kind for rule in provider.rules}


def test_a_conversation_is_halved_until_it_fits():
    items = [item for n in range(64) for item in turn(f"t{n}", f"run_{n}", ["answer"])]
    items += turn("now", RUN, [])
    plan, sizes = ReductionPlan(items, places(items), RUN, LeftOut()), []
    for _ in range(20):
        plan.note_refusal(ContextTooLong("No."))
        if not plan.advance():
            break
        sizes.append(len(plan.left_out.apply(items, places(items))))
    assert sizes == [65, 33, 9, 3, 1]


def test_a_request_of_too_many_bytes_loses_images_before_turns():
    items = [item for n in range(4) for item in turn(f"t{n}", f"run_{n}", ["files", "answer"])]
    items += turn("now", RUN, ["files"])
    plan, images = ReductionPlan(items, places(items), RUN, LeftOut()), []
    for _ in range(2):
        plan.note_refusal(ContextTooLong("No.", in_bytes=True))
        assert plan.advance()
        sent = plan.left_out.apply(items, places(items))
        assert len(sent) == len(items)
        images.append(sum(PartKind.FILES in kinds_of(item) for item in sent))
    assert images == [3, 1]


def test_a_request_without_history_is_not_asked_again():
    items = turn("now", RUN, ["call", "files"])
    plan = ReductionPlan(items, places(items), RUN, LeftOut())
    plan.note_refusal(ModelRefused("No.", status=400))
    assert not plan.advance()


def test_halving_and_other_refusals_share_the_requests():
    items = [item for n in range(64) for item in turn(f"t{n}", f"run_{n}", ["files", "answer"])]
    items += turn("now", RUN, [])
    plan = ReductionPlan(items, places(items), RUN, LeftOut())
    for _ in range(2):
        plan.note_refusal(ContextTooLong("No."))
        assert plan.advance()
    plan.note_refusal(ModelRefused("No.", status=400, reason="Bad image."))
    plan.limit(1)
    assert plan.advance()
    assert plan.left_out.apply(items, places(items)) == items[-1:]
    assert not plan.advance()


def test_a_turn_that_has_grown_does_without_its_own_container():
    items = [*turn("t1", "run_1", ["answer"]), *turn("now", RUN, [])]
    positions = [*places(items)]
    plan = ReductionPlan(items, positions, RUN, LeftOut())
    items += turn("now", RUN, ["hosted_calls"])[1:]
    positions += [*places(items)][len(positions) :]
    plan.note_refusal(ModelRefused("No.", status=400, reason="Container is expired."))
    assert plan.advance()
    assert not any(
        item["type"] == "hosted_call" for item in plan.left_out.apply(items, places(items))
    )


# ---- turns that were refused when they were the current ones ------------------------------------


def refused(reason: str = "") -> ModelRefused:
    return ModelRefused("No.", status=400, reason=reason)


def reduced(items: list[Any], *errors: ModelRefused | ContextTooLong, refused: int) -> list[Any]:
    """What is sent after these refusals, if a turn was refused that is `refused` items long.

    It is the last one before the current turn.
    """
    last = current_turn_start(items, RUN)
    plan = ReductionPlan(items, places(items), RUN, LeftOut(), [(last - refused + 1, last)])
    for error in errors:
        plan.note_refusal(error)
        assert plan.advance()
    return plan.left_out.apply(items, places(items))


def conversation(*failed: str, turns: int = 4) -> tuple[list[Any], list[Any], list[Any]]:
    """Turns that were answered, one that was not and has these parts, and the current one."""
    parts = ["reasoning", "files", "call", "answer"]
    answered = [item for n in range(turns) for item in turn(f"t{n}", f"run_{n}", parts)]
    return answered, turn("bad", "run_bad", failed), turn("now", RUN, [])


def test_a_turn_that_was_refused_is_sent_again_first():
    answered, bad, now = conversation()
    assert reduced(answered + bad + now, refused=1) == answered + bad + now


@pytest.mark.parametrize(
    "error", [refused("Bad Request"), refused("content_filter"), ContextTooLong("No.")]
)
def test_a_turn_that_was_refused_is_left_out_before_any_that_was_answered(error):
    answered, bad, now = conversation()
    assert reduced(answered + bad + now, error, refused=1) == answered + now


@pytest.mark.parametrize(
    "error", [refused("Bad Request"), refused("Bad image."), ContextTooLong("No.", in_bytes=True)]
)
def test_images_of_a_turn_that_was_refused_go_before_its_text_and_before_other_images(error):
    answered, bad, now = conversation("files")
    sent = reduced(answered + bad + now, error, refused=1)
    assert sent[: len(answered)] == answered
    assert [part["type"] for part in sent[len(answered)]["content"]] == ["text", "text"]
    assert sent[len(answered) + 1 :] == now


def test_if_its_images_were_not_the_cause_the_whole_turn_is_left_out():
    answered, bad, now = conversation("files")
    error = refused("Bad Request")
    assert reduced(answered + bad + now, error, error, refused=1) == answered + now


def test_if_the_turn_was_not_the_cause_it_is_taken_back_in():
    answered, bad, now = conversation()
    error = refused("Bad Request")
    sent = reduced(answered + bad + now, error, error, refused=1)
    assert sent == [i for i in answered if i["type"] != "reasoning"] + bad + now


def test_a_refusal_of_any_turn_keeps_the_newest_ones():
    items = [item for n in range(8) for item in turn(f"t{n}", f"run_{n}", ["answer"])]
    items += turn("now", RUN, [])
    plan, sizes = ReductionPlan(items, places(items), RUN, LeftOut()), []
    for _ in range(4):
        plan.note_refusal(refused("Bad Request"))
        assert plan.advance()
        sizes.append(len(plan.left_out.apply(items, places(items))))
    assert sizes == [9, 5, 3, 1]


# ---- refusals of a reduced request --------------------------------------------------------------


def left_out_after(*errors: ModelRefused) -> dict[PartKind, int]:
    parts = ["reasoning", "hosted_calls", "files", "call", "answer"]
    items = turn("t0", "run_0", parts) + turn("now", RUN, [])
    plan = ReductionPlan(items, places(items), RUN, LeftOut())
    for error in errors:
        plan.note_refusal(error)
        assert plan.advance()
    return plan.counts


def test_what_the_provider_misses_is_taken_back_in():
    other = refused("Bad Request")
    missing = refused("A function call is missing its thought signature.")
    assert left_out_after(other) == {PartKind.REASONING: 1}
    assert left_out_after(other, missing) == {PartKind.HOSTED_CALLS: 1}
    assert left_out_after(other, missing, other) == {PartKind.FILES: 1}


def test_what_cannot_go_without_what_is_left_out_is_left_out_as_well():
    key = refused("The encrypted content could not be verified.")
    lone = refused("Item 'ci_1' of type 'code_interpreter_call' lacks its required reasoning.")
    both = {PartKind.REASONING: 1, PartKind.HOSTED_CALLS: 1}
    assert left_out_after(key, lone) == both


# ---- the current turn ----------------------------------------------------------------------------


def test_the_message_of_a_run_that_failed_is_of_an_earlier_turn():
    failed = message("user", "before", "run_1", image=True)
    items = [failed, message("user", "added", None), message("user", "now", RUN)]
    assert current_turn_start(items, RUN) == 1
    assert current_turn_start(items[:1], RUN) == 0


def test_an_added_message_that_was_refused_is_of_an_earlier_turn_once_another_follows():
    bad, added = message("user", "bad", None, image=True), message("user", "added", None)
    said = message("user", "now", RUN)
    assert current_turn_start([bad, added], RUN) == 0
    assert current_turn_start([bad, added], RUN, 1) == 1
    assert current_turn_start([bad, said], RUN, 1) == 1
    assert current_turn_start([bad], RUN, 1) == 0
    assert current_turn_start([*turn("t0", "run_0", ["answer"]), bad], RUN, 3) == 2


def test_what_the_same_run_had_added_before_it_was_refused_is_of_its_turn():
    items = [message("user", "added", None), *turn("now", RUN, ["call"])[1:]]
    assert current_turn_start(items, RUN, len(items)) == 0
    items.append(message("user", "more", None))
    assert current_turn_start(items, "run_next", len(items) - 1) == len(items) - 1


def test_a_run_that_answers_again_does_not_take_up_what_was_refused_before():
    bad, added = message("user", "bad", None, image=True), message("user", "added", None)
    items = [bad, added, message("assistant", "answer", "run_1")]
    assert current_turn_start(items, RUN, 1) == 1
    assert current_turn_start([*items[:2]], RUN, 2) == 0


# ---- what is left of an item ---------------------------------------------------------------------


def test_the_model_is_told_of_a_hosted_call_that_is_left_out():
    items = turn("t0", "run_0", ["hosted_calls", "answer"]) + turn("now", RUN, [])
    sent = LeftOut({PartKind.HOSTED_CALLS: ((1, 3),)}).apply(items, places(items))
    assert [item["type"] for item in sent] == ["message", "note", "message", "message"]
    assert "code interpreter" in sent[1]["text"]


def test_what_is_known_to_be_refused_is_not_sent_again():
    items = turn("t0", "run_0", ["reasoning", "answer"]) + turn("now", RUN, ["reasoning"])
    known = LeftOut({PartKind.REASONING: ((1, 3),)})
    sent = ReductionPlan(items, places(items), RUN, known).left_out.apply(items, places(items))
    assert [item["type"] for item in sent] == ["message", "message", "message", "reasoning"]


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("reasoning", "The encrypted content for item rs_1 could not be verified."),
        ("hosted_calls", "Container is expired."),
    ],
)
def test_a_turn_does_without_its_own_reasoning_and_containers_if_they_are_refused(
    kind: str, words: str
) -> None:
    [_, own] = turn("now", RUN, [kind])
    for earlier in ([], turn("t1", "run_1", ["call", "answer"])):
        items = [*earlier, message("user", "now asks", RUN), own]
        plan = ReductionPlan(items, places(items), RUN, LeftOut())
        plan.note_refusal(ModelRefused("No.", status=400, reason="Invalid input."))
        kept = []
        while plan.advance():
            kept.append(own in plan.left_out.apply(items, places(items)))
            plan.note_refusal(ModelRefused("No.", status=400, reason="Invalid input."))
        assert kept[-1:] == [False]  # nothing else is left then
        assert all(kept[:-1])
        plan = ReductionPlan(items, places(items), RUN, LeftOut())
        plan.note_refusal(ModelRefused("No.", status=400, reason=words))
        assert plan.advance()
        sent = plan.left_out.apply(items, places(items))
        assert own not in sent
        assert items[-2] in sent
        assert sent[: len(earlier)] == earlier
        # It is known when the run asks again.
        again = ReductionPlan(items, places(items), RUN, plan.left_out)
        assert again.left_out.apply(items, places(items)) == sent


@given(histories(), st.data())
def test_positions_with_gaps_leave_out_the_same_as_positions_without(items, data):
    gaps = data.draw(st.lists(st.integers(0, 3), min_size=len(items), max_size=len(items)))
    positions = [at + sum(gaps[:at]) for at in places(items)]
    refused = sorted(data.draw(st.sets(st.sampled_from(places(items)), max_size=2)))
    plain = ReductionPlan(items, places(items), RUN, LeftOut(), [(at, at) for at in refused])
    spread = [(positions[at - 1], positions[at - 1]) for at in refused]
    gapped = ReductionPlan(items, positions, RUN, LeftOut(), spread)
    for error in data.draw(st.lists(st.sampled_from(ERRORS), max_size=6)):
        plain.note_refusal(error)
        gapped.note_refusal(error)
        advanced = plain.advance()
        assert gapped.advance() == advanced
        assert gapped.counts == plain.counts
        assert gapped.left_out.apply(items, positions) == plain.left_out.apply(items, places(items))


ERRORS = [
    ContextTooLong("Too long."),
    ContextTooLong("Too large.", in_bytes=True),
    ModelRefused("No.", status=400, reason="Bad Request"),
    ModelRefused("No.", status=400, reason="Image could not be read."),
    ModelRefused("No.", status=400, reason="Container is expired."),
]
