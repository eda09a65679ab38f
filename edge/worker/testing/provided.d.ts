/** What vitest's global set-ups hand to the tests. */

import "vitest";

declare module "vitest" {
  interface ProvidedContext {
    /** The base URL of the stand-in for the functions (testing/upstream.ts). */
    upstream: string;
    /** And of those for issuers of tokens (testing/issuer.ts) and for Google's token endpoints (testing/google.ts). */
    issuer: string;
    google: string;
    /** The folder with the web app as it is built (e2e/build-app.ts). */
    app: string;
  }
}
