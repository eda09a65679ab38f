import { common } from "lowlight";
import { renderToStaticMarkup } from "react-dom/server";
import { expect, it } from "vitest";
import { highlight } from "./highlighter";
import { LANGUAGES } from "./languages";

it("highlights code and changes none of it", () => {
  const shown = renderToStaticMarkup(highlight('def f(x):\n    return "<b>" # 1', "python"));
  expect(shown).toContain('<span class="hljs-keyword">def</span>');
  expect(shown).toContain("&lt;b&gt;");
  expect(shown).not.toContain("style");
  expect(shown.replace(/<[^>]*>/g, "")).toBe("def f(x):\n    return &quot;&lt;b&gt;&quot; # 1");
});

it.each([...LANGUAGES])("knows %s", (name) => {
  expect(renderToStaticMarkup(highlight("a", name)).replace(/<[^>]*>/g, "")).toBe("a");
});

it("names all of the highlighter's languages", () => {
  for (const name of Object.keys(common)) expect(LANGUAGES.has(name), name).toBe(true);
});
