import { describe, expect, it } from "vitest";
import { configError, fieldError, parseProblem, ProblemError, problemOf } from "./problem";

const BODY =
  '{"type":"about:blank","title":"Conflict","status":409,"detail":"Wait for it.","request_id":"r1","extra":1}';
const PROBLEM = { title: "Conflict", status: 409, detail: "Wait for it.", request_id: "r1" };

describe("parseProblem", () => {
  it("parses problem+json", () => {
    expect(parseProblem(BODY)).toEqual(PROBLEM);
  });

  it.each(["", "<html>", "null", "[]", '"text"', "{}", '{"error":"x"}'])("returns null for %j", (body) => {
    expect(parseProblem(body)).toBeNull();
  });

  it("fills in missing fields", () => {
    expect(parseProblem('{"title":"Gone"}')).toEqual({ title: "Gone", detail: "" });
  });
});

describe("problemOf", () => {
  it("returns the problem of a ProblemError", () => {
    expect(problemOf(new ProblemError(PROBLEM))).toBe(PROBLEM);
  });

  it("parses the message of useChat's error", () => {
    expect(problemOf(new Error(BODY))).toEqual(PROBLEM);
  });

  it("keeps the text of an error event", () => {
    expect(problemOf(new Error("The model did not answer."))).toEqual({
      title: "Something went wrong",
      detail: "The model did not answer.",
    });
  });

  it("explains a lost connection, and an answer of another server", () => {
    expect(problemOf(new TypeError("Failed to fetch")).detail).toMatch(/Check your connection/);
    expect(problemOf(new SyntaxError("Unexpected token '<'")).detail).toMatch(/Check your connection/);
  });

  it("converts any thrown value", () => {
    expect(problemOf("odd").detail).toBe("odd");
  });
});

describe("fieldError", () => {
  const fields = ["schedule", "time_zone"];

  it("returns the field and its message", () => {
    const problem = { title: "Invalid request", detail: "schedule: it comes too often: every minute." };
    expect(fieldError(problem, fields)).toEqual({ field: "schedule", message: "It comes too often: every minute." });
  });

  it.each(["name: too long.", "The database does not answer: try again.", ""])("returns null for %j", (detail) => {
    expect(fieldError({ title: "", detail }, fields)).toBeNull();
  });
});

describe("configError", () => {
  it.each([
    ["config.url: the host is unknown.", "The host is unknown."],
    ["config.url cannot be changed. Add another source instead.", "Cannot be changed. Add another source instead."],
    ["config: Expected `str`, got `int` - at `$.url`.", "Expected `str`, got `int`"],
    ["config: Expected `str`, got `int` - at `$.url[0]`.", "Expected `str`, got `int`"],
  ])("returns the field and the message of %j", (detail, message) => {
    expect(configError({ title: "", detail }, ["url", "branch"])).toEqual({ field: "url", message });
  });

  it.each(["config.folder: no such folder.", "config: Object missing required field `url`.", "url: too long.", ""])(
    "returns null for %j",
    (detail) => {
      expect(configError({ title: "", detail }, ["url", "branch"])).toBeNull();
    },
  );
});
