/** Types of the values that vitest's global set-ups provide to the tests. */

import "vitest";

declare module "vitest" {
  interface ProvidedContext {
    /** The base URLs of the fake functions (upstream.ts), issuers (issuer.ts) and Google endpoints (google.ts). */
    upstream: string;
    issuer: string;
    google: string;
    /** The folder of the built web app (e2e/build-app.ts). */
    app: string;
    /** The folder of the Worker built for the one container (tests/build-worker.ts). */
    builtWorker: string;
  }
}
