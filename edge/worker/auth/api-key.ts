/** The format and checksum of API keys. Only a function can check whether a key exists and is not revoked. */

const FORMAT = /^hw_[0-9A-Za-z]{38}$/;
const CHECKSUM_LENGTH = 6;
const DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

export function looksLikeApiKey(token: string): boolean {
  return token.startsWith("hw_");
}

/** Whether `key` has the format of an API key and a matching checksum. Detects mistyped and truncated keys. */
export function isWellFormed(key: string): boolean {
  return FORMAT.test(key) && key.slice(-CHECKSUM_LENGTH) === checksumOf(key.slice(0, -CHECKSUM_LENGTH));
}

/**
 * Compute the checksum at the end of a key: the CRC-32 of the text before it, in base 62, most significant digit first.
 *
 * Example: for `hw_` and 32 times `0` it is `49HUhz`.
 */
export function checksumOf(text: string): string {
  let rest = crc32(text);
  let digits = "";
  while (digits.length < CHECKSUM_LENGTH) {
    digits = DIGITS.charAt(rest % DIGITS.length) + digits;
    rest = Math.floor(rest / DIGITS.length);
  }
  return digits;
}

/** Compute the CRC-32 of an ASCII text (ISO-HDLC, as zlib's), unsigned. Example: for `123456789` it is 0xcbf43926. */
export function crc32(text: string): number {
  let crc = 0xffffffff;
  for (const byte of new TextEncoder().encode(text)) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return (crc ^ 0xffffffff) >>> 0;
}

/** Compute the SHA-256 of a text in hexadecimal, as the functions store API keys. */
export async function sha256(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
