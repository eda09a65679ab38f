#!/usr/bin/env node
// Read an answer with the `ai` package's own reader, as any of its clients would.
//
//   node scripts/read-stream.mjs URL < question.json     POST the JSON, print the final UIMessage as JSON
//   node scripts/read-stream.mjs URL < /dev/null         GET (a running answer); prints null for 204
//
// Exit status 1, and the reason on standard error: no 200, not the stream's content type or version, an event that the
// schema refuses, an order that the reader refuses, or a stream that breaks off. An `error` event isn't one of these: its
// text is printed as {"errorText": …} beside the message.

import { parseJsonEventStream, readUIMessageStream, uiMessageChunkSchema } from "ai";

/** @typedef {import("ai").UIMessage} UIMessage */
/** @typedef {import("ai").UIMessageChunk} UIMessageChunk */
/** @typedef {{ success: true, value: UIMessageChunk } | { success: false, error: Error }} Parsed */

const ENDINGS = new Set(["finish", "abort", "error"]);

/**
 * @param {string} url
 * @param {string} question JSON, or "" to follow an answer that is being written
 * @returns {Promise<unknown>}
 */
async function read(url, question) {
  const response = await fetch(url, question === "" ? {} : post(question));
  if (response.status === 204) return null;
  if (!response.ok || !response.body) throw new Error(`${response.status}: ${await response.text()}`);
  expectHeader(response, "content-type", "text/event-stream");
  expectHeader(response, "x-vercel-ai-ui-message-stream", "v1");

  let ending = "nothing";
  /** @type {string | undefined} */
  let errorText;
  /** @type {ReadableStream<UIMessageChunk>} */
  const chunks = parseJsonEventStream({ stream: response.body, schema: uiMessageChunkSchema }).pipeThrough(
    new TransformStream({
      /** @param {Parsed} result @param {TransformStreamDefaultController<UIMessageChunk>} controller */
      transform(result, controller) {
        if (!result.success) throw result.error;
        ending = result.value.type;
        if (result.value.type === "error") errorText = result.value.errorText;
        else controller.enqueue(result.value);
      },
    }),
  );
  /** @type {UIMessage | undefined} */
  let last;
  for await (const message of readUIMessageStream({ stream: chunks, terminateOnError: true })) last = message;
  if (!ENDINGS.has(ending)) throw new Error(`the stream broke off after ${ending}`);
  return errorText === undefined ? last : { ...last, errorText };
}

/** @param {string} body @returns {RequestInit} */
function post(body) {
  return { method: "POST", body, headers: { "content-type": "application/json" } };
}

/** @param {Response} response @param {string} name @param {string} expected */
function expectHeader(response, name, expected) {
  const value = response.headers.get(name);
  if (!value?.startsWith(expected)) throw new Error(`${name} is ${value ?? "missing"}, not ${expected}`);
}

async function readStandardInput() {
  let text = "";
  for await (const chunk of process.stdin) text += String(chunk);
  return text.trim();
}

const [url] = process.argv.slice(2);
if (url === undefined) {
  console.error("usage: read-stream.mjs URL < question.json");
  process.exit(2);
}
try {
  console.log(JSON.stringify((await read(url, await readStandardInput())) ?? null));
} catch (error) {
  console.error(error instanceof Error ? `${error.name}: ${error.message}` : String(error));
  process.exitCode = 1;
}
