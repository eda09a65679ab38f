import { jwtVerify } from "jose";
import { afterEach, beforeEach, describe, expect, inject, it, vi } from "vitest";
import { Issuer } from "../testing/credentials";
import { JwksUnavailable, remoteJwks } from "./jwks";

let issuer: Issuer;
const verify = async (): Promise<unknown> => jwtVerify(await issuer.token(), remoteJwks(issuer.url));
const advance = (seconds: number): unknown => vi.setSystemTime(Date.now() + seconds * 1000);

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ["Date"] });
  issuer = await Issuer.start(inject("issuer"));
});

afterEach(() => vi.useRealTimers());

describe("remoteJwks", () => {
  it("fetches the keys once, and again after ten minutes", async () => {
    for (let n = 0; n < 5; n++) await verify();
    expect(await issuer.fetchCount()).toBe(1);
    advance(601);
    await verify();
    expect(await issuer.fetchCount()).toBe(2);
  });

  it("fetches the keys again for an unknown key id", async () => {
    await verify();
    advance(31);
    await issuer.rotate();
    await issuer.publish({ keys: [issuer.publicJwk] });
    await verify();
    expect(await issuer.fetchCount()).toBe(2);
  });

  it("does not fetch the keys for every made-up key id", async () => {
    await verify();
    await issuer.rotate();
    for (let n = 0; n < 5; n++) await expect(verify()).rejects.toThrow();
    advance(31);
    for (let n = 0; n < 5; n++) await expect(verify()).rejects.toThrow();
    expect(await issuer.fetchCount()).toBe(2);
  });

  it("keeps the keys for one day while the issuer is unavailable", async () => {
    await verify();
    await issuer.publish({ status: 500 });
    advance(86_300);
    await verify();
    expect(await issuer.fetchCount()).toBe(2);
    advance(700);
    await expect(verify()).rejects.toThrow(JwksUnavailable);
  });

  it("gives up an issuer that drips its keys", async () => {
    await issuer.publish({ drips: true });
    await expect(verify()).rejects.toThrow(JwksUnavailable);
  });

  it("waits ten seconds after a failed fetch", async () => {
    await issuer.publish({ status: 500 });
    for (let n = 0; n < 5; n++) await expect(verify()).rejects.toThrow(JwksUnavailable);
    expect(await issuer.fetchCount()).toBe(1);
    await issuer.publish({ keys: [issuer.publicJwk] });
    advance(11);
    await verify();
    expect(await issuer.fetchCount()).toBe(2);
  });
});
