import { expect, it } from "vitest";
import { traceparentOf } from "./traceparent";

const VALID = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

it.each([VALID, VALID.replace(/01$/, "00"), VALID.replace(/01$/, "ff")])("keeps the client's %s", (given) => {
  expect(traceparentOf(new Headers({ traceparent: given }))).toBe(given);
});

it.each([
  "",
  VALID.slice(0, -1),
  `${VALID}0`,
  `${VALID}-extra`,
  `${VALID}, ${VALID}`,
  `x${VALID}`,
  VALID.toUpperCase(),
  VALID.replace(/^00/, "01"),
  VALID.replace(/^00/, "ff"),
  VALID.replace("4bf92f3577b34da6a3ce929d0e0e4736", "0".repeat(32)),
  VALID.replace("00f067aa0ba902b7", "0".repeat(16)),
  VALID.replace("4bf9", "4bg9"),
  VALID.replaceAll("-", "_"),
  "x".repeat(10_000),
  '{"severity":"ERROR"}',
])("begins a new trace for %j", (given) => {
  const made = traceparentOf(new Headers({ traceparent: given }));
  expect(made).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
  expect(made).not.toBe(traceparentOf(new Headers({ traceparent: given })));
});
