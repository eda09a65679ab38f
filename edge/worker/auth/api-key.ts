/** API keys as far as the Worker can judge them: their form and their checksum. Whether one is valid, a function knows. */

const FORM = /^hw_[0-9A-Za-z]{38}$/;
const CHECKSUM_LENGTH = 6;
const DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

export function looksLikeApiKey(token: string): boolean {
  return token.startsWith("hw_");
}

/** Tell whether `key` has the form of a key and its checksum fits: what was mistyped, cut short or made up has not. */
export function isWellFormed(key: string): boolean {
  return FORM.test(key) && key.slice(-CHECKSUM_LENGTH) === checksumOf(key.slice(0, -CHECKSUM_LENGTH));
}

/**
 * The checksum that ends a key: the CRC-32 of the text before it in base 62, most significant digit first.
 *
 * Example: `hw_` and 32 times `0` has `49HUhz`.
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

/** CRC-32 of an ASCII text (ISO-HDLC: the one of zlib), unsigned. Example: of `123456789` it is 0xcbf43926. */
export function crc32(text: string): number {
  let crc = 0xffffffff;
  for (const byte of new TextEncoder().encode(text)) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return (crc ^ 0xffffffff) >>> 0;
}

/** SHA-256 of a text in hexadecimal: what a key is known by wherever it must not be read. */
export async function sha256(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
