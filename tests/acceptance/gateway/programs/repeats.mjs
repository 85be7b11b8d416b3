// A program whose requests' first answers are lost, with OpenAI's package for Node.
//
//     node repeats.mjs BASE_URL
//
// It prints one JSON object: the ids of what it has created, without keys and with them.

import { randomUUID } from "node:crypto";
import OpenAI, { toFile } from "openai";

const client = new OpenAI({ baseURL: process.argv[2], apiKey: "none" });

async function create(headers) {
  const threads = client.beta.threads;
  const assistant = await client.beta.assistants.create({ model: "gpt-5.4-mini" }, { headers });
  const thread = await threads.create({ metadata: { of: randomUUID() } }, { headers });
  const message = await threads.messages.create(
    thread.id, { role: "user", content: "tokens=2" }, { headers });
  const run = await threads.runs.create(thread.id, { assistant_id: assistant.id }, { headers });
  const file = await client.files.create(
    { file: await toFile(Buffer.from("1"), "a.txt"), purpose: "assistants" }, { headers });
  return { asst: assistant.id, thread: thread.id, msg: message.id, run: run.id, file: file.id };
}

const found = {
  "without a key": await create({}),
  "with a key": await create({ "Idempotency-Key": randomUUID() }),
};
console.log(JSON.stringify({ found }));
process.exit(0);
