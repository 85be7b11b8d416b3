"""A script that attaches a file and an image to what it says."""

from threadmill import Assistant, CodeInterpreter

ai = Assistant(tools=[CodeInterpreter])
ai.say("What stands there?", code_interpreter_files=["data.csv"], image_files=["plot.png"])
