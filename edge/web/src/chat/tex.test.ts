import { expect, it } from "vitest";
import { keepTex } from "./tex";

it("keeps the backslashes and underscores of TeX", () => {
  expect(keepTex(String.raw`So \(a_1 * b_1\) holds.`)).toBe(String.raw`So \\\(a\_1 \* b\_1\\\) holds.`);
  expect(keepTex("$$x^2$$")).toBe(String.raw`\$\$x\^2\$\$`);
  expect(keepTex("\\[\nx\n\\]")).toBe("\\\\\\[\nx\n\\\\\\]");
});

it("changes neither code nor other text", () => {
  for (const text of [
    String.raw`\`\(x\)\` and \*no emphasis\*`.replaceAll("\\`", "`"),
    "```sh\necho \\(x\\) $$y$$\n```",
    "It costs $5, or $$6.",
    String.raw`An open \( bracket`,
  ])
    expect(keepTex(text)).toBe(text);
});

it("leaves many brackets without an end as they are", () => {
  const text = "\\( \\[ ` ".repeat(20_000);
  expect(keepTex(text)).toBe(text);
});
