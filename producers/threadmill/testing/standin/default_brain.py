"""The brain of a stand-in that was given none: it rolls dice, calls tools, makes small talk.

It is deterministic. What it does follows from the user's last message:

- `call NAME {...}`, any number of them: calls those tools, then reports their outputs;
- a wish for some number of dice: the same with the tool `roll_dice`;
- the name of a tool, as in "look up tea" for `look_up`: calls it, with arguments of the types that
  it takes, from the words that follow the name;
- a request for a plot, if it has a code interpreter: draws a sine, and shows it;
- `search for ...`, where it has a file search: searches, and says what it has found;
- `search the web for ...`, where it has a web search: the same with a page that it makes up;
- anything at all, where a call is forced: calls, with arguments that fit;
- anything at all, where a result of a type is asked for: JSON of that type;
- `tokens=50`: says exactly 50 tokens; `delay=0.02`: takes 0.02 s from one token to the next;
- anything else: answers, and says how many messages of the user it has seen.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from threadmill.testing.standin.choices import forced_name, is_forced
from threadmill.testing.standin.conversation import Request, ToolOutput
from threadmill.testing.standin.making_up import made_up
from threadmill.testing.standin.plot import sine_plot
from threadmill.testing.standin.replies import (
    Call,
    Code,
    Part,
    Reply,
    Search,
    Text,
    WebQuery,
    WebSource,
)

_NUMBERS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
_DICE = re.compile(
    rf"\b(\d{{1,3}}|an?|{'|'.join(_NUMBERS)})\s+(?:[\w-]+\s+)?(?:dice|die)\b", re.IGNORECASE
)
_CALL = re.compile(r"\bcall\s+([A-Za-z0-9_-]+)\s*(?=\{)")
_TOKENS = re.compile(r"\btokens=(\d{1,6})\b")
_DELAY = re.compile(r"\bdelay=(\d*\.?\d+)")
_PLOT = re.compile(r"\bplot\b", re.IGNORECASE)
_PLOT_CODE = """import numpy as np
import matplotlib.pyplot as plt

x = np.linspace(0, 2 * np.pi, 240)
plt.plot(x, np.sin(x))
plt.savefig("/mnt/data/sine.png")
print("drawn")
"""
_WEB_SEARCH = re.compile(r"\bsearch the web for (.+)", re.IGNORECASE)
_SEARCH = re.compile(r"\bsearch for (.+)", re.IGNORECASE)
_GREETING = re.compile(r"\W*(hello|hi|hey|good (morning|afternoon|evening))\b", re.IGNORECASE)


def converse(request: Request) -> Reply:
    """Answer the user's last message, as this module describes."""
    delay = _DELAY.search(request.last_user_text)
    return Reply(_parts(request), delay=float(delay[1]) if delay else None)


def _parts(request: Request) -> Sequence[Part]:
    outputs = request.tool_outputs
    if is_forced(request.tool_choice):
        return _forced(request)
    may_call = request.tool_choice != "none"
    calls = _calls(request) if may_call and not outputs else []
    if calls:
        return calls
    if may_call and (hosted := _hosted(request)):
        return hosted
    if (schema := request.result_schema) is not None:
        return [Text(json.dumps(made_up(schema)))]
    if wanted := _TOKENS.search(request.last_user_text):
        return [Text([f"{number} " for number in range(1, int(wanted[1]) + 1)])]
    return [Text(_report(outputs) if outputs else _small_talk(request))]


def _forced(request: Request) -> list[Part]:
    """What a provider makes of a forced call, whatever the user said."""
    name, text = forced_name(request.tool_choice), request.last_user_text
    wanted: list[Part] = [call for call in _calls(request) if name in (None, call.name)]
    if wanted or (name is None and (wanted := _hosted(request))):
        return wanted
    name = name or next(iter(request.functions), None) or next(iter(request.tools), "")
    if name in request.functions:
        return [Call(name, made_up(request.functions[name], text))]
    made: dict[str, Part] = {
        "code_interpreter": Code("print('made up')\n", "made up\n"),
        "file_search": Search([text or "anything"]),
        "web_search": WebQuery(text or "anything"),
    }
    said = Text("I was told to use a tool.")
    return [made[name], said] if name in made else [said]


def _hosted(request: Request) -> list[Part]:
    text = request.last_user_text
    if "code_interpreter" in request.tools and _PLOT.search(text):
        shown = Text("Here is the plot of sin(x): sandbox:/mnt/data/sine.png", cites=["sine.png"])
        return [Code(_PLOT_CODE, "drawn\n", {"sine.png": sine_plot()}), shown]
    if "web_search" in request.tools and (wish := _WEB_SEARCH.search(text)):
        page = WebSource("https://example.com/", "Example Domain")
        told = Text("I have found this: Example Domain", cites=["Example Domain"])
        return [WebQuery(wish[1], [page]), told]
    if "file_search" in request.tools and (wish := _SEARCH.search(text)):
        return [Search([wish[1]]), Text("I have looked into the files.")]
    return []


def _calls(request: Request) -> list[Call]:
    text = request.last_user_text
    if spelled := list(_spelled_calls(text)):
        return [call for call in spelled if call.name in request.tools]
    if "roll_dice" in request.tools and (wish := _DICE.search(text)):
        return [Call("roll_dice", {"n_dice": _number(wish[1].lower())})]
    return list(_named_calls(text, request.functions))


def _named_calls(text: str, functions: Mapping[str, Any]) -> Iterator[Call]:
    for name, parameters in functions.items():
        words = re.escape(name).replace("_", r"[\s_-]+")
        if named := re.search(rf"\b{words}\b", text, re.IGNORECASE):
            yield Call(name, made_up(parameters, text[named.end() :]))


def _spelled_calls(text: str) -> Iterator[Call]:
    for found in _CALL.finditer(text):
        try:
            _, end = json.JSONDecoder().raw_decode(text, found.end())
        except ValueError:
            # Sent as it is: so a user can try what becomes of arguments that are no JSON.
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
