import { renderToStaticMarkup } from "react-dom/server";
import { expect, test } from "vitest";
import type { SourceKind } from "../api/types";
import { formFields } from "../schema-form/schema";
import { SourceFormFields } from "./source-form-fields";

const DRIVE: SourceKind = {
  kind: "google_drive",
  title: "Google Drive",
  help: "",
  config_schema: {
    type: "object",
    properties: {
      folder: { type: "string", title: "Folder", default: "" },
      subject: { type: "string", title: "Act for", default: "" },
      url: { type: "string", title: "Address of the API", default: "https://www.googleapis.com/" },
    },
  },
  identity: ["folder", "subject", "url"],
  secret: null,
  has_dates: true,
};

function show(kind: SourceKind): string {
  return renderToStaticMarkup(
    <SourceFormFields
      kind={kind}
      formFields={formFields(kind.config_schema)}
      fields={{ name: "", token: "", config: {} }}
      nameError={null}
      configError={null}
      onChange={() => undefined}
      onConfigChange={() => undefined}
    >
      <p>Collect</p>
    </SourceFormFields>,
  );
}

test("what names a source is above the advanced options, even if it may be empty", () => {
  const [main = "", advanced = ""] = show(DRIVE).split("Advanced options");
  expect([main.includes("Folder"), main.includes("Act for")]).toEqual([true, false]);
  expect([advanced.includes("Folder"), advanced.includes("Address of the API")]).toEqual([false, true]);
});

test("an address with a default is an advanced option", () => {
  const [main = ""] = show({ ...DRIVE, identity: ["url"] }).split("Advanced options");
  expect([main.includes("Address of the API"), main.includes("Folder")]).toEqual([false, false]);
});
