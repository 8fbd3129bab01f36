// Folds lists of chunks into messages as the AI SDK does: a line of JSON in, a line of JSON out.
//
//     node folding.mjs 7

import { text } from "node:stream/consumers";

const ai = await import(process.argv[2] === "6" ? "ai-6" : "ai");

for (const chunks of JSON.parse(await text(process.stdin))) {
  let folded = null;
  const errors = [];
  const stream = ReadableStream.from(chunks);
  for await (const message of ai.readUIMessageStream({ stream, onError: (error) => errors.push(`${error}`) })) {
    folded = message;
  }
  const valid = await Promise.all(chunks.map((chunk) => ai.uiMessageChunkSchema().validate(chunk)));
  console.log(JSON.stringify({ folded, errors, invalid: chunks.filter((_, index) => !valid[index].success) }));
}
