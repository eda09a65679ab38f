import { renderToStaticMarkup } from "react-dom/server";
import { expect, it } from "vitest";
import { Composer, isComposing } from "./composer";

const nothing = (): void => undefined;

it("disables the button when no question can be asked", () => {
  const button = (onAsk: (() => void) | null): string =>
    /<button[^>]*>/.exec(
      renderToStaticMarkup(
        <Composer
          text="Why?"
          mode="web"
          onMode={nothing}
          onChange={nothing}
          isBusy={false}
          onAsk={onAsk}
          onStop={nothing}
        />,
      ),
    )?.[0] ?? "";
  expect(button(nothing)).toContain('aria-disabled="false"');
  expect(button(null)).toContain('aria-disabled="true"');
});

it("knows when Enter confirms a word of an input method", () => {
  expect(isComposing({ isComposing: true, keyCode: 13 })).toBe(true);
  expect(isComposing({ isComposing: false, keyCode: 229 })).toBe(true);
  expect(isComposing({ isComposing: false, keyCode: 13 })).toBe(false);
});
