/** The page /api/docs: Swagger UI for /api/openapi.json. It loads nothing from other origins. */

import SwaggerUI from "swagger-ui-dist/swagger-ui-es-bundle";
import "swagger-ui-dist/swagger-ui.css";
import "./api-docs.css";

const dark = matchMedia("(prefers-color-scheme: dark)");
const applyTheme = (): void => void document.documentElement.classList.toggle("dark-mode", dark.matches);
applyTheme();
dark.addEventListener("change", applyTheme);

SwaggerUI({
  dom_id: "#api-docs",
  url: "/api/openapi.json",
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  tryItOutEnabled: true,
  // Tokens are not stored, and the document is not sent to the validator of swagger.io.
  persistAuthorization: false,
  validatorUrl: null,
});
