"""The page's example of the code interpreter, as it stands there."""

from threadmill import Assistant, CodeInterpreter

ai = Assistant(tools=[CodeInterpreter])
ai.say("Generate a plot of sin(x)")
