import { expect, it } from "vitest";
import { fetchWorker, readProblem } from "../testing/fetch-worker";
import type { FakeReply } from "../testing/upstream";
import { MAX_WHOLE_BYTES } from "./response-body";

const JSON_TYPE = { "content-type": "application/json" };

const request = (reply: FakeReply): Promise<Response> =>
  fetchWorker(`/api/sources?reply=${encodeURIComponent(JSON.stringify(reply))}`);

it.each([0, 1, 50_000])("is a 502 problem if the connection breaks after %i bytes", async (cutAfter) => {
  const response = await request({ status: 200, headers: JSON_TYPE, body: '"x"', length: MAX_WHOLE_BYTES, cutAfter });
  expect(response.status).toBe(502);
  const { detail } = await readProblem(response);
  expect(detail).toContain("The collection function broke the connection in the middle of its response.");
});

it("fails for the client too if it is large", async () => {
  const reply = { status: 200, headers: JSON_TYPE, body: '"x"', length: MAX_WHOLE_BYTES + 1, cutAfter: 1 };
  await expect(request(reply).then((response) => response.text())).rejects.toThrow();
});
