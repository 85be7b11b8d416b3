"""An assistant whose tools ask another one, which has to wait for somebody."""

from threadmill import Assistant, Job, Thread, current_call, errors, tool


@tool(needs_approval=True)
def pay(amount: int) -> str:
    """Pay."""
    return f"{amount} paid"


def ask_the_cashier(amount: int) -> str:
    """Have the cashier pay."""
    return cashier.say(f'call pay {{"amount": {amount}}}', Thread(), event_handler_class=None).text


def tell_the_cashier(amount: int) -> str:
    """Have the cashier pay, and print what it says."""
    return cashier.say(f'call pay {{"amount": {amount}}}', Thread()).text


def ask_with_a_function(word: str) -> str:
    """Ask somebody who calls a function of this very call."""

    def echo() -> str:
        return word

    return Assistant(tools=[echo]).say("call echo {}", Thread(), event_handler_class=None).text


def ask_twice(word: str) -> str:
    """Ask two that may work at the same time."""
    runs = cashier.enqueue_many([f"{word} one", f"{word} two"])
    return " ".join(f"{run.wait().status}:{run.messages[0].text}" for run in runs)


def ask_here(word: str) -> str:
    """Ask somebody elsewhere, and somebody on the thread that this call holds."""
    here = Job(message=word, thread=Thread(current_call().thread_id))
    try:
        cashier.enqueue_many([Job(message=word, thread=Thread(key="elsewhere")), here])
    except errors.ThreadLocked as error:
        return error.__notes__[0]
    return "enqueued"


cashier = Assistant("cashier", tools=[pay])
ai = Assistant(
    "asking",
    tools=[ask_the_cashier, tell_the_cashier, ask_with_a_function, ask_twice, ask_here],
)
