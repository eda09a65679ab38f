import { jwtVerify } from "jose";
import { afterEach, beforeEach, describe, expect, inject, it, vi } from "vitest";
import { KeysUnreachable, remoteKeys } from "./jwks";
import { Issuer } from "../testing/credentials";

let issuer: Issuer;
const verify = async (): Promise<unknown> => jwtVerify(await issuer.token(), remoteKeys(issuer.url));
const pass = (seconds: number): unknown => vi.setSystemTime(Date.now() + seconds * 1000);

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ["Date"] });
  issuer = await Issuer.start(inject("issuer"));
});

afterEach(() => vi.useRealTimers());

describe("an issuer's keys", () => {
  it("are read once for many tokens, and again after ten minutes", async () => {
    for (let n = 0; n < 5; n++) await verify();
    expect(await issuer.reads()).toBe(1);
    pass(601);
    await verify();
    expect(await issuer.reads()).toBe(2);
  });

  it("are read anew for a key that isn't known, so that the issuer can change it", async () => {
    await verify();
    pass(31);
    await issuer.rotate();
    await issuer.publish({ keys: [issuer.publicJwk] });
    await verify();
    expect(await issuer.reads()).toBe(2);
  });

  it("are not read for every made-up key", async () => {
    await verify();
    await issuer.rotate();
    for (let n = 0; n < 5; n++) await expect(verify()).rejects.toThrow();
    pass(31);
    for (let n = 0; n < 5; n++) await expect(verify()).rejects.toThrow();
    expect(await issuer.reads()).toBe(2);
  });

  it("stay good for a day while the issuer can't be reached, and no longer", async () => {
    await verify();
    await issuer.publish({ status: 500 });
    pass(86_300);
    await verify();
    expect(await issuer.reads()).toBe(2);
    pass(700);
    await expect(verify()).rejects.toThrow(KeysUnreachable);
  });

  it("are asked for once in ten seconds while there are none", async () => {
    await issuer.publish({ status: 500 });
    for (let n = 0; n < 5; n++) await expect(verify()).rejects.toThrow(KeysUnreachable);
    expect(await issuer.reads()).toBe(1);
    await issuer.publish({ keys: [issuer.publicJwk] });
    pass(11);
    await verify();
    expect(await issuer.reads()).toBe(2);
  });
});
