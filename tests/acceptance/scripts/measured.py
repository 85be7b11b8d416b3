"""Says something, and shows what the embedded worker has counted of it."""

import os
import re
import urllib.request

from threadmill import Assistant

Assistant(name="Ada").say("Hello?", event_handler_class=None)
url = f"http://127.0.0.1:{os.environ['THREADMILL_METRICS_PORT']}/metrics"
with urllib.request.urlopen(url) as answer:
    text = answer.read().decode()
name = "threadmill_model_requests_total"
print(re.findall(rf'^{name}\{{.*outcome="answered".*\}} (\S+)$', text, re.MULTILINE))
