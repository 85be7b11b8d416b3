"""Placeholder while the printer is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from threadmill_shared.events import Event

if TYPE_CHECKING:
    from threadmill.run import Run


class RunPrinter:
    def __init__(self, *, print_messages: bool, print_steps: bool) -> None:
        self.x = print_messages, print_steps

    def begin(self, run: Run) -> None:
        print(f"User: {run.messages[0].text if run.messages else ''}")

    def show(self, event: Event) -> None:
        if event.event == "thread.message.delta":
            print(event.data["delta"]["content"][0]["text"]["value"], end="", flush=True)
        elif event.event == "thread.message.completed":
            print()
        elif event.event == "thread.run.step.delta":
            print(event.data["delta"]["step_details"])

    def end(self) -> None: ...


def pprint_messages(messages: Any) -> None: ...
def pprint_run(run: Any) -> None: ...
def pprint_steps(steps: Any) -> None: ...
