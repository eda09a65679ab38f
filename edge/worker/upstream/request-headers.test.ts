import { describe, expect, it } from "vitest";
import { forwardedHeaders } from "./request-headers";

function forwarded(headers: Record<string, string>, url = "https://hw.example.com/api/sources"): Headers {
  return forwardedHeaders(new Request(url, { headers }), "r1", null);
}

describe("forwardedHeaders", () => {
  it.each([
    "X-CloudTasks-QueueName",
    "X-CloudTasks-TaskRetryCount",
    "X-CloudScheduler",
    "X-CloudScheduler-JobName",
    "X-Serverless-Authorization",
    "X-AppEngine-QueueName",
    "X-Goog-Authenticated-User-Email",
    "X-Headwater-Workspace",
    "X-Forwarded-For",
    "X-Forwarded-Prefix",
    "Forwarded",
    "X-Real-IP",
    "Cookie",
  ])("takes away %s, which only a trusted sender may set", (name) => {
    expect(forwarded({ [name]: "forged" }).get(name)).toBeNull();
  });

  it("lets the Worker in with its own token, over one that was sent along", () => {
    const request = new Request("https://hw.example.com/api/sources", {
      headers: { "X-Serverless-Authorization": "Bearer forged" },
    });
    expect(forwardedHeaders(request, "r1", "google").get("x-serverless-authorization")).toBe("Bearer google");
  });

  it("keeps who the user is and which page asks", () => {
    const headers = forwarded({
      Authorization: "Bearer hw_1",
      Origin: "https://hw.example.com",
      "If-None-Match": '"1"',
    });
    expect(headers.get("authorization")).toBe("Bearer hw_1");
    expect(headers.get("origin")).toBe("https://hw.example.com");
    expect(headers.get("if-none-match")).toBe('"1"');
  });

  it("names the public host, port included, over what was claimed", () => {
    const headers = forwarded({ "X-Forwarded-Host": "evil.example" }, "http://127.0.0.1:8787/api/sources");
    expect(headers.get("x-forwarded-host")).toBe("127.0.0.1:8787");
    expect(headers.get("x-forwarded-proto")).toBe("http");
  });

  it("passes on the address that Cloudflare saw", () => {
    const headers = forwarded({ "CF-Connecting-IP": "192.0.2.7", "X-Forwarded-For": "10.0.0.1" });
    expect(headers.get("x-forwarded-for")).toBe("192.0.2.7");
  });
});
