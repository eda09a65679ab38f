import { renderToStaticMarkup } from "react-dom/server";
import { expect, it } from "vitest";
import { Composer, isComposing } from "./composer";
import { MODES, offeredModes } from "./mode";

const nothing = (): void => undefined;
const ofAgents = { agents: [], agent: "", onAgent: nothing };

it("disables the button when no question can be asked", () => {
  const button = (onAsk: (() => void) | null): string =>
    /<button[^>]*>/.exec(
      renderToStaticMarkup(
        <Composer
          text="Why?"
          mode="web"
          modes={MODES}
          onMode={nothing}
          {...ofAgents}
          onChange={nothing}
          isBusy={false}
          onAsk={onAsk}
          onStop={nothing}
          onAttach={nothing}
        />,
      ),
    )?.[0] ?? "";
  expect(button(nothing)).toContain('aria-disabled="false"');
  expect(button(null)).toContain('aria-disabled="true"');
});

it("offers agents and the web only where the API has them", () => {
  const options = (agents: boolean, web: boolean): (string | undefined)[] =>
    [
      ...renderToStaticMarkup(
        <Composer
          text=""
          mode="documents"
          onAttach={nothing}
          modes={offeredModes({ agents, web })}
          onMode={nothing}
          {...ofAgents}
          onChange={nothing}
          isBusy={false}
          onAsk={nothing}
          onStop={nothing}
        />,
      ).matchAll(/<option[^>]*>([^<]*)/g),
    ].map((found) => found[1]);
  expect(options(true, true)).toEqual(["Documents", "Web", "Both", "Agent"]);
  expect(options(false, true)).toEqual(["Documents", "Web", "Both"]);
  expect(options(true, false)).toEqual(["Documents", "Agent"]);
  expect(options(false, false)).toEqual(["Documents"]);
});

it("offers the installed agents after the modes", () => {
  const support = { name: "support", description: "Answers customers", package: "p", allowed: true, problem: null };
  const html = renderToStaticMarkup(
    <Composer
      text=""
      mode="documents"
      onAttach={nothing}
      modes={MODES}
      onMode={nothing}
      {...ofAgents}
      agents={[support]}
      agent="support"
      onChange={nothing}
      isBusy={false}
      onAsk={nothing}
      onStop={nothing}
    />,
  );
  expect(html).toContain('<option value="agent:support" title="Answers customers" selected="">Agent: support</option>');
  expect(html).not.toContain('<option value="documents" selected="">');
});

it("knows when Enter confirms a word of an input method", () => {
  expect(isComposing({ isComposing: true, keyCode: 13 })).toBe(true);
  expect(isComposing({ isComposing: false, keyCode: 229 })).toBe(true);
  expect(isComposing({ isComposing: false, keyCode: 13 })).toBe(false);
});
