/**
 * Limits of requests. docs/limits.md lists all limits. The sizes equal the functions' (shared/headwater/web/limits.py),
 * which a test compares.
 */

import { isUpload } from "./routes";

/** Path and query, percent-encoded. workerd accepts 65,534; Cloudflare, in front of it, 16 KB. */
export const MAX_URL_BYTES = 64_000;
/** All headers that are forwarded, with four bytes each for `: ` and the line's end. */
export const MAX_HEADER_BYTES = 32_768;
export const MAX_BODY_BYTES = 1_000_000;
export const MAX_UPLOAD_BYTES = 31_000_000;
/** The time in which a whole body must arrive. */
export const BODY_TIMEOUT_S = 15;
export const UPLOAD_TIMEOUT_S = 90;

/** Memory for bodies in an isolate, which has 128 MB for everything. A caller may use half of it: one large upload. */
export const MAX_BUFFERED_BYTES = 64_000_000;
export const MAX_BUFFERED_BYTES_PER_CALLER = 32_000_000;

/** Limits of one request's body. */
export interface BodyLimits {
  readonly maxBytes: number;
  readonly timeoutS: number;
}

export function bodyLimits(request: Request): BodyLimits {
  return isUpload(request)
    ? { maxBytes: MAX_UPLOAD_BYTES, timeoutS: UPLOAD_TIMEOUT_S }
    : { maxBytes: MAX_BODY_BYTES, timeoutS: BODY_TIMEOUT_S };
}
