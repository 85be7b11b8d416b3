"""Like `notes`, with a function of its own, which belongs to this start of it and no other one."""

import sys

from threadmill import Assistant, Thread


def who() -> str:
    return sys.argv[1]


someone = Assistant(name="someone", instructions="Tell who you are.", tools=[who])
notes = Thread(key="own notes")
someone.say(sys.argv[2], thread=notes, event_handler_class=None)
for message in notes.get_messages():
    print(f"{message.role}: {message.text}")
print([run.last_error.name if run.last_error else run.status.value for run in notes.runs()])
