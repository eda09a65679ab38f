// Generate the key with which the Worker signs its assertions for workload identity federation. Prints JSON: `private` is a
// JWK for the Worker's secret WORKLOAD_KEY, `public` the JWKS for Google. Called by scripts/deploy.
import { createHash, generateKeyPairSync } from "node:crypto";

const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const { crv, kty, x, y } = publicKey.export({ format: "jwk" });
// RFC 7638: the hash of the required members in lexicographic order.
const kid = createHash("sha256").update(JSON.stringify({ crv, kty, x, y })).digest("base64url");
const use = { alg: "ES256", kid, use: "sig" };
const jwk = { ...privateKey.export({ format: "jwk" }), ...use };
console.log(JSON.stringify({ private: jwk, public: { keys: [{ crv, kty, x, y, ...use }] } }));
