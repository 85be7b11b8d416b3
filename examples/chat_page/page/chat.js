"use strict";

const chat = location.pathname; // "/chats/...", with which the service's other paths begin
const [messages, progress, form, text, send] = ["messages", "progress", "form", "text", "send"].map(
  (id) => document.getElementById(id),
);
const bubbles = new Map(); // what the page shows of each message, by the message's id
const otherTabs = new BroadcastChannel(chat);
let stream = null; // of the run that is being followed

// ---- what is shown ---------------------------------------------------------------------------

function show(id, role, value) {
  let bubble = bubbles.get(id);
  if (!bubble) {
    bubble = document.createElement("li");
    bubble.className = role;
    bubbles.set(id, bubble);
    messages.append(bubble);
  }
  bubble.textContent = value; // never as HTML, whatever a user or a model has written
  bubble.scrollIntoView();
}

function hide(id) {
  bubbles.get(id)?.remove();
  bubbles.delete(id);
}

function tell(words) {
  progress.textContent = words;
}

// ---- the service -----------------------------------------------------------------------------

// Asks until there is an answer: a service that is being restarted is back soon.
async function request(path, options) {
  for (let tries = 1; ; tries += 1) {
    const answer = await fetch(path, options).catch(() => null);
    if (answer && answer.status < 500) {
      if (tries > 1) tell("");
      return answer;
    }
    tell("Connecting …");
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}

// Shows the chat as it is stored, and follows the run that is not over yet from its beginning.
async function load() {
  const answer = await request(`${chat}/messages`);
  if (!answer.ok) return tell("This chat cannot be read.");
  const stored = await answer.json();
  for (const { id, role, text } of stored.messages) show(id, role, text);
  if (stored.run) follow(stored.run);
}

function follow(run) {
  if (stream?.run === run) return;
  stream?.close();
  // It connects again by itself, and says which event it has seen last.
  stream = new EventSource(`${chat}/runs/${run}/events`);
  stream.run = run;
  send.disabled = true;
  tell("Waiting …");

  for (const [name, act] of Object.entries(acts)) {
    stream.addEventListener(name, (event) => act(JSON.parse(event.data)));
  }
  stream.addEventListener("done", reload);
  stream.addEventListener("lost", reload);
  stream.addEventListener("error", () => {
    // Only if it does not try again by itself.
    if (stream?.readyState === EventSource.CLOSED) setTimeout(reload, 1000);
  });
}

function reload() {
  stream?.close();
  stream = null;
  send.disabled = false;
  return load();
}

// What is done at each kind of event. Following a run again shows the same messages again, not
// twice: they are known by their ids, and begin empty.
const acts = {
  "thread.run.queued": () => tell("Waiting …"),
  "thread.run.in_progress": () => tell("Thinking …"),
  "thread.run.step.delta": ({ delta }) => {
    const calls = delta.step_details.tool_calls;
    tell(`Using ${calls.map((call) => call.function?.name ?? call.type).join(", ")} …`);
  },
  "thread.run.step.completed": () => tell("Thinking …"),
  "thread.message.created": ({ id }) => {
    show(id, "assistant", "");
    tell("");
  },
  "thread.message.delta": ({ id, delta }) => {
    for (const part of delta.content) bubbles.get(id)?.append(part.text.value);
    bubbles.get(id)?.scrollIntoView({ block: "end" });
  },
  "thread.message.completed": ({ id, content }) => {
    show(id, "assistant", content.map((part) => part.text.value).join(""));
  },
  // A worker has died while it wrote this; another one writes it anew. Or the run ends here, and
  // what remains of the message is in the chat that is read then.
  "thread.message.incomplete": ({ id }) => hide(id),
  "thread.run.completed": () => tell(""),
  "thread.run.incomplete": () => tell("The answer was too long, and ends here."),
  "thread.run.cancelled": () => tell("The answer was stopped."),
  "thread.run.failed": () => tell("Something went wrong. Please ask again."),
  "thread.run.expired": () => tell("That took too long. Please ask again."),
};

// ---- the user --------------------------------------------------------------------------------

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (send.disabled) return;
  send.disabled = true;
  // With a key of its own, a message whose answer was lost can be sent again.
  const key = crypto.getRandomValues(new Uint32Array(4)).join("-");
  const answer = await request(`${chat}/messages`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ text: text.value, key }),
  });
  send.disabled = false;
  if (answer.ok) text.value = "";
  else tell(answer.status === 409 ? "Please wait for the answer." : "That could not be sent.");
  await load();
  otherTabs.postMessage("said");
});

otherTabs.addEventListener("message", load);
load();
