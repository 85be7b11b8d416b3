// A program that speaks the Assistants API with OpenAI's package for Node.
//
//     node assistants.mjs BASE_URL [SCENARIO...]
//
// It prints one JSON object: what each scenario gave in each way.

import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.argv[2], apiKey: "none", timeout: 60000 });
const threads = client.beta.threads;
// Since version 5 the id of the thread is not the first argument, but among the others.
const isOld = Number(process.env.OPENAI_MAJOR) < 5;
const inThread = (act, thread, id, ...rest) =>
  isOld ? act(thread, id, ...rest) : act(id, { thread_id: thread, ...rest[0] }, ...rest.slice(1));

const ADD = {
  type: "function",
  function: {
    name: "add",
    description: "Add two numbers.",
    parameters: { type: "object", properties: { a: { type: "integer" } } },
  },
};
const SCENARIOS = {
  plain: "tokens=5",
  tool: "call add {}",
  "two tools": "call add {} and call add {}",
  "two rounds": "two rounds",
  cancel: "tokens=3000 delay=0.02",
  failure: "fail",
  incomplete: "cut short",
  hosted: "plot it",
  expiry: "tokens=3000 delay=0.02",
  "own events": "call fail {}",
};

const adder = await client.beta.assistants.create({ model: "gpt-5.4-mini", tools: [ADD] });
const drawer = await client.beta.assistants.create({
  model: "gpt-5.4-mini",
  tools: [{ type: "code_interpreter" }],
});

async function begin(scenario) {
  const messages = [{ role: "user", content: SCENARIOS[scenario] }];
  const thread = await threads.create({ messages });
  const assistant = scenario === "hosted" ? drawer.id : adder.id;
  if (scenario !== "own events") return { thread: thread.id, assistant };
  // Of an assistant whose functions the workers execute.
  const headers = { "Threadmill-Events": "all" };
  return { thread: thread.id, assistant: "toolbox", options: { headers } };
}

function outputsOf(run) {
  const calls = run.required_action.submit_tool_outputs.tool_calls;
  return { tool_outputs: calls.map((call) => ({ tool_call_id: call.id, output: "4" })) };
}

async function outcome(given, streamed = "") {
  const run = await inThread(
    (...a) => threads.runs.retrieve(...a), given.thread_id, given.id);
  const texts = [];
  for await (const message of threads.messages.list(run.thread_id, { order: "asc" }))
    if (message.role === "assistant")
      for (const part of message.content) if (part.type === "text") texts.push(part.text.value);
  const steps = [];
  for await (const step of await inThread(
    (...a) => threads.runs.steps.list(...a), run.thread_id, run.id, { order: "asc" }))
    steps.push([step.type, step.status]);
  return {
    status: run.status,
    error: run.last_error?.code ?? null,
    reason: run.incomplete_details?.reason ?? null,
    text: texts.join(""),
    streamed,
    steps,
  };
}

async function poll(scenario) {
  const where = await begin(scenario);
  let run = await threads.runs.create(where.thread, { assistant_id: where.assistant });
  if (scenario === "cancel") {
    await new Promise((resolve) => setTimeout(resolve, 300));
    await inThread((...a) => threads.runs.cancel(...a), where.thread, run.id);
  }
  run = await inThread((...a) => threads.runs.poll(...a), where.thread, run.id);
  while (run.status === "requires_action")
    run = await inThread(
      (...a) => threads.runs.submitToolOutputsAndPoll(...a), where.thread, run.id, outputsOf(run));
  return outcome(run);
}

async function stream(scenario) {
  const where = await begin(scenario);
  let text = "";
  const names = [];
  let opened = threads.runs.stream(
    where.thread, { assistant_id: where.assistant }, where.options);
  for (;;) {
    const heard = [];
    let isCancelled = false;
    opened.on("event", (event) => heard.push(event.event));
    opened.on("textDelta", (delta) => {
      text += delta.value ?? "";
      if (scenario === "cancel" && !isCancelled) {
        isCancelled = true;
        const run = opened.currentRun();
        inThread((...a) => threads.runs.cancel(...a), where.thread, run.id).catch(() => {});
      }
    });
    const run = await opened.finalRun();
    names.push(heard);
    if (run.status !== "requires_action") return { ...(await outcome(run, text)), names };
    opened = inThread(
      (...a) => threads.runs.submitToolOutputsStream(...a), where.thread, run.id, outputsOf(run));
  }
}

async function raw(scenario) {
  const where = await begin(scenario);
  let text = "";
  const names = [];
  let run;
  let events = await threads.runs.create(
    where.thread, { assistant_id: where.assistant, stream: true }, where.options);
  for (;;) {
    names.push([]);
    let isCancelled = false;
    for await (const event of events) {
      names.at(-1).push(event.event);
      if (event.event.startsWith("thread.run.") && !event.event.includes(".step.")) run = event.data;
      if (event.event === "thread.message.delta") {
        text += event.data.delta.content[0].text?.value ?? "";
        if (scenario === "cancel" && !isCancelled) {
          isCancelled = true;
          await inThread((...a) => threads.runs.cancel(...a), where.thread, run.id);
        }
      }
    }
    if (run.status !== "requires_action") return { ...(await outcome(run, text)), names };
    events = await inThread(
      (...a) => threads.runs.submitToolOutputs(...a), where.thread, run.id,
      { ...outputsOf(run), stream: true });
  }
}

const found = {};
const given = process.argv.slice(3);
const wanted = given.length ? given : Object.keys(SCENARIOS).filter((one) => one !== "expiry");
await Promise.all(
  wanted.map(async (scenario) => {
    for (const [way, act] of Object.entries({ poll, stream, raw }))
      try {
        found[`${scenario}, ${way}`] = await act(scenario);
      } catch (error) {
        found[`${scenario}, ${way}`] = { raised: `${error.name}: ${error.message}` };
      }
  }),
);
console.log(JSON.stringify({ found }));
