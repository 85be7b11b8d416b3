"""What a team writes without threadmill: one Celery task, the SDK's stream, one XADD per token."""

import os

import openai
import redis
from celery import Celery

app = Celery("plain", broker=os.environ["THREADMILL_REDIS_URL"])
app.conf.task_default_queue = "plain"
app.conf.task_ignore_result = True
store = redis.Redis.from_url(os.environ["THREADMILL_REDIS_URL"], max_connections=400)
client = openai.OpenAI()


@app.task
def answer(run_id: str, message: str) -> None:
    text = ""
    with client.responses.create(model="stand-in", input=message, stream=True) as stream:
        for event in stream:
            if event.type == "response.output_text.delta":
                text += event.delta
                store.xadd(f"plain:{run_id}", {"delta": event.delta})
    store.set(f"plain:done:{run_id}", text)
    store.incr("plain:finished")
