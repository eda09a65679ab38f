import { describe, expect, it } from "vitest";
import { parseProblem, ProblemError, problemOf, refusalOf } from "./problem";

const BODY =
  '{"type":"about:blank","title":"Conflict","status":409,"detail":"Wait for it.","request_id":"r1","extra":1}';
const PROBLEM = { title: "Conflict", status: 409, detail: "Wait for it.", request_id: "r1" };

describe("parseProblem", () => {
  it("reads what every function answers", () => {
    expect(parseProblem(BODY)).toEqual(PROBLEM);
  });

  it.each(["", "<html>", "null", "[]", '"text"', "{}", '{"error":"x"}'])("doesn't take %j for a problem", (body) => {
    expect(parseProblem(body)).toBeNull();
  });

  it("does without what isn't there", () => {
    expect(parseProblem('{"title":"Gone"}')).toEqual({ title: "Gone", detail: "" });
  });
});

describe("problemOf", () => {
  it("gives the problem that a call was answered with", () => {
    expect(problemOf(new ProblemError(PROBLEM))).toBe(PROBLEM);
  });

  it("finds the problem in the message of useChat's error", () => {
    expect(problemOf(new Error(BODY))).toEqual(PROBLEM);
  });

  it("shows the text of an error event as it is", () => {
    expect(problemOf(new Error("The model did not answer."))).toEqual({
      title: "Something went wrong",
      detail: "The model did not answer.",
    });
  });

  it("says what to do when there is no connection", () => {
    expect(problemOf(new TypeError("Failed to fetch")).detail).toMatch(/Check that it is running/);
  });

  it("has words for anything else", () => {
    expect(problemOf("odd").detail).toBe("odd");
  });
});

describe("refusalOf", () => {
  const fields = ["schedule", "time_zone"];

  it("finds the field that was refused, and the reason", () => {
    const problem = { title: "Unprocessable Content", detail: "schedule: it comes too often: every minute." };
    expect(refusalOf(problem, fields)).toEqual({ field: "schedule", reason: "It comes too often: every minute." });
  });

  it.each(["name: too long.", "The database does not answer: try again.", ""])("finds no field in %j", (detail) => {
    expect(refusalOf({ title: "", detail }, fields)).toBeNull();
  });
});
