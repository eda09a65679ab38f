import { renderToStaticMarkup } from "react-dom/server";
import { expect, it } from "vitest";
import { UnavailableKinds } from "./unavailable-kinds";

it("shows the package and the reason, escaped", () => {
  const kinds = [{ kind: "wiki", package: "headwater-wiki", reason: "No module named <b>x</b>. Run `pip install x`." }];
  const html = renderToStaticMarkup(<UnavailableKinds kinds={kinds} />);
  expect(html).toContain("The kind <code>wiki</code> (package <code>headwater-wiki</code>) is not available:");
  expect(html).toContain("No module named &lt;b&gt;x&lt;/b&gt;. Run <code>pip install x</code>.");
});

it("shows nothing if all kinds are available", () => {
  expect(renderToStaticMarkup(<UnavailableKinds kinds={[]} />)).toBe("");
});
