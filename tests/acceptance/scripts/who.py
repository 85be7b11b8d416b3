"""Has a function that every other start of it has too, with another result: its argument.

Told to begin by a line on its standard input, it says `ROUNDS` times, each time on a new thread.
"""

import sys
import time

from threadmill import Assistant, Thread

ROUNDS = 8


def who() -> str:
    return sys.argv[1]


someone = Assistant(name="someone", instructions="Tell who you are.", tools=[who])


def say() -> str:
    return someone.say("call who {}", thread=Thread(), event_handler_class=None).text


say()
print("ready", flush=True)
sys.stdin.readline()
began = time.monotonic()
told = {say() for _ in range(ROUNDS)}
print(began, time.monotonic(), *sorted(told), sep="|", flush=True)
sys.stdin.readline()
