"""A service that has Celery and not threadmill: sends the tasks that its standard input lists.

One JSON object a line: task, id, args, kwargs. It may announce what it sends, as Celery can.
"""

import json
import sys

from celery import Celery

app = Celery("service", broker=sys.argv[1])
app.conf.task_send_sent_event = True
for line in sys.stdin:
    wanted = json.loads(line)
    app.send_task(
        wanted["task"],
        args=wanted.get("args"),
        kwargs=wanted.get("kwargs"),
        task_id=wanted["id"],
        queue="threadmill.door",
    )
assert not [name for name in sys.modules if name.startswith("threadmill")]
