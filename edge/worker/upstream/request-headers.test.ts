import { describe, expect, it } from "vitest";
import { upstreamHeaders } from "./request-headers";

function forwarded(headers: Record<string, string>, url = "https://hw.example.com/api/sources"): Headers {
  return upstreamHeaders(new Request(url, { headers }), "r1", null);
}

describe("upstreamHeaders", () => {
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
  ])("removes %s, which only a trusted sender may set", (name) => {
    expect(forwarded({ [name]: "forged" }).get(name)).toBeNull();
  });

  it("replaces the client's X-Serverless-Authorization with the Worker's token", () => {
    const request = new Request("https://hw.example.com/api/sources", {
      headers: { "X-Serverless-Authorization": "Bearer forged" },
    });
    expect(upstreamHeaders(request, "r1", "google").get("x-serverless-authorization")).toBe("Bearer google");
  });

  it("keeps Authorization, Origin and If-None-Match", () => {
    const headers = forwarded({
      Authorization: "Bearer hw_1",
      Origin: "https://hw.example.com",
      "If-None-Match": '"1"',
    });
    expect(headers.get("authorization")).toBe("Bearer hw_1");
    expect(headers.get("origin")).toBe("https://hw.example.com");
    expect(headers.get("if-none-match")).toBe('"1"');
  });

  it("sets X-Forwarded-Host to the public host and port", () => {
    const headers = forwarded({ "X-Forwarded-Host": "evil.example" }, "http://127.0.0.1:8787/api/sources");
    expect(headers.get("x-forwarded-host")).toBe("127.0.0.1:8787");
    expect(headers.get("x-forwarded-proto")).toBe("http");
  });

  it("sets traceparent, and drops the client's if it is invalid", () => {
    const valid = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    expect(forwarded({ traceparent: valid }).get("traceparent")).toBe(valid);
    expect(forwarded({ traceparent: "forged" }).get("traceparent")).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
    expect(forwarded({ tracestate: "a=b" }).get("tracestate")).toBeNull();
  });

  it("sets X-Forwarded-For to the address that Cloudflare reports", () => {
    const headers = forwarded({ "CF-Connecting-IP": "192.0.2.7", "X-Forwarded-For": "10.0.0.1" });
    expect(headers.get("x-forwarded-for")).toBe("192.0.2.7");
  });
});
