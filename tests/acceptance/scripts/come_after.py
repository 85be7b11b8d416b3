"""Say something on the thread that another script has left."""

from threadmill import Assistant, Thread

run = Assistant("second").say("tokens=1 delay=0", thread=Thread(key="kept"), timeout=30)
print(run.status, [str(other.status) for other in Thread(key="kept").runs()])
