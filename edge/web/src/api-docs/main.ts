/** The page /api/docs: Swagger UI for /api/openapi.json. It loads nothing from other origins. */

import { readInstallation } from "../api/accounts";
import { savedToken } from "../session/local-token";
import SwaggerUI from "swagger-ui-dist/swagger-ui-es-bundle";
import "swagger-ui-dist/swagger-ui.css";
import "./api-docs.css";

const dark = matchMedia("(prefers-color-scheme: dark)");
const applyTheme = (): void => void document.documentElement.classList.toggle("dark-mode", dark.matches);
applyTheme();
dark.addEventListener("change", applyTheme);

const ui = SwaggerUI({
  dom_id: "#api-docs",
  url: "/api/openapi.json",
  deepLinking: true,
  // Groups begin closed: if 150 rows are open, Swagger UI renders only those in view.
  docExpansion: "none",
  defaultModelsExpandDepth: 0,
  tryItOutEnabled: true,
  // Tokens are not stored, and the document is not sent to the validator of swagger.io.
  persistAuthorization: false,
  validatorUrl: null,
  onComplete: () => void authorizeLocally(),
});

/** In local mode, send the token with which the app was opened in this browser. */
async function authorizeLocally(): Promise<void> {
  const token = savedToken();
  const { authMode } = await readInstallation();
  if (authMode === "local" && token !== null) ui.preauthorizeApiKey("TokenOrApiKey", token);
}
