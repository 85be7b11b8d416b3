"""An assistant whose tools ask another one, which has to wait for somebody."""

from threadmill import Assistant, Thread, tool


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


cashier = Assistant("cashier", tools=[pay])
ai = Assistant("asking", tools=[ask_the_cashier, tell_the_cashier, ask_with_a_function])
