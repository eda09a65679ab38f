import { expect, it } from "vitest";
import { bodies, requests, respondWith } from "../testing/fake-api";
import { activateModel } from "./embedding-models";

it("activates the model that is named, also without all vectors", async () => {
  respondWith(Response.json({}), Response.json({}));
  await activateModel(7);
  await activateModel(7, { allowMissing: true });
  expect(requests).toEqual(["POST /api/embedding-models/7/activate", "POST /api/embedding-models/7/activate"]);
  expect(bodies).toEqual([{ allow_missing: false }, { allow_missing: true }]);
});
