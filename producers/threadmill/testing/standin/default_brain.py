"""The brain of a stand-in that was given none: it rolls dice, calls tools, makes small talk.

It is deterministic. What it does follows from the user's last message:

- `call NAME {...}`, any number of them: calls those tools, then reports their outputs;
- a wish for some number of dice: the same with the tool `roll_dice`;
- `tokens=50`: says exactly 50 tokens; `delay=0.02`: takes 0.02 s from one token to the next;
- anything else: answers, and says how many messages of the user it has seen.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

from threadmill.testing.standin.conversation import Request, ToolOutput
from threadmill.testing.standin.replies import Call, Part, Reply, Text

_NUMBERS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
_DICE = re.compile(
    rf"\b(\d{{1,3}}|an?|{'|'.join(_NUMBERS)})\s+(?:[\w-]+\s+)?(?:dice|die)\b", re.IGNORECASE
)
_CALL = re.compile(r"\bcall\s+([A-Za-z0-9_-]+)\s*(?=\{)")
_TOKENS = re.compile(r"\btokens=(\d{1,6})\b")
_DELAY = re.compile(r"\bdelay=(\d*\.?\d+)")
_GREETING = re.compile(r"\W*(hello|hi|hey|good (morning|afternoon|evening))\b", re.IGNORECASE)


def converse(request: Request) -> Reply:
    """Answer the user's last message, as this module describes."""
    delay = _DELAY.search(request.last_user_text)
    return Reply(_parts(request), delay=float(delay[1]) if delay else None)


def _parts(request: Request) -> Sequence[Part]:
    outputs = request.tool_outputs
    calls = [] if outputs or request.tool_choice == "none" else _calls(request)
    if calls:
        return calls
    if wanted := _TOKENS.search(request.last_user_text):
        return [Text([f"{number} " for number in range(1, int(wanted[1]) + 1)])]
    return [Text(_report(outputs) if outputs else _small_talk(request))]


def _calls(request: Request) -> list[Call]:
    text = request.last_user_text
    calls = [call for call in _spelled_calls(text) if call.name in request.tools]
    if not calls and "roll_dice" in request.tools and (wish := _DICE.search(text)):
        calls = [Call("roll_dice", {"n_dice": _number(wish[1].lower())})]
    return calls


def _spelled_calls(text: str) -> Iterator[Call]:
    for found in _CALL.finditer(text):
        try:
            _, end = json.JSONDecoder().raw_decode(text, found.end())
        except ValueError:
            # Sent as it stands: so a user can try what becomes of arguments that are no JSON.
            end = len(text) if (line := text.find("\n", found.end())) < 0 else line
        yield Call(found[1], text[found.end() : end])


def _number(word: str) -> int:
    if word in {"a", "an"}:
        return 1
    return int(word) if word.isdigit() else _NUMBERS.index(word)


def _report(outputs: Sequence[ToolOutput]) -> str:
    return " ".join(_report_one(output) for output in outputs)


def _report_one(output: ToolOutput) -> str:
    dice = _dice(output.output) if output.name == "roll_dice" else []
    if len(dice) > 1:
        rolled = f"{', '.join(map(str, dice[:-1]))} and {dice[-1]}"
        count = _NUMBERS[len(dice)] if len(dice) < len(_NUMBERS) else len(dice)
        return f"I rolled {count} dice: {rolled}. That makes {sum(dice)}."
    if dice:
        return f"I rolled one die, and it shows {dice[0]}."
    return f"{output.name} answered: {output.output or 'nothing'}."


def _dice(output: str) -> list[int]:
    try:
        values = json.loads(output)
    except ValueError:
        return []
    is_roll = isinstance(values, list) and all(type(value) is int for value in values)
    return values if is_roll else []


def _small_talk(request: Request) -> str:
    text = request.last_user_text.strip()
    count = sum(message.role == "user" for message in request.messages)
    seen = f"I have seen {count} message{'' if count == 1 else 's'} from you in this thread."
    if not text:
        return f"I am listening. {seen}"
    if _GREETING.match(text):
        return f"Hello! I am a stand-in for a model, and happy to talk. {seen}"
    return f'You said: "{text if len(text) <= 200 else text[:200] + "..."}". {seen}'
