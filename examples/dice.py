from threadmill import Assistant, Thread, pprint_messages
import random

# write a function for the assistant to use
def roll_dice(n_dice: int) -> list[int]:
    return [random.randint(1, 6) for _ in range(n_dice)]

ai = Assistant(tools=[roll_dice])

# create a thread - you could pass an ID to resume a conversation
thread = Thread()

# add a user messages to the thread
thread.add("Hello!")

# run the thread with the AI to produce a response
thread.run(ai)

# post two more user messages
thread.add("Please roll two dice")
thread.add("Actually--roll five dice")

# run the thread again to generate a new response
thread.run(ai)

# see all the messages in the thread
messages = thread.get_messages()
pprint_messages(messages)
