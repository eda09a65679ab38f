import { expect, it } from "vitest";
import { createConversation, followUrl } from "./new-conversation";

it("keeps a conversation without questions when another one is opened", () => {
  const conversation = createConversation();
  expect(followUrl(conversation, null)).toBe(conversation);
  expect(followUrl(conversation, "another")).toBe(conversation);
});

it("keeps the conversation when it gets its URL", () => {
  const conversation = createConversation();
  const asked = followUrl(conversation, conversation.id);
  expect(asked).toEqual({ id: conversation.id, hasUrl: true });
  expect(followUrl(asked, conversation.id)).toBe(asked);
});

it.each([null, "another"])("creates a new conversation after leaving one with a URL for %s", (id) => {
  const asked = { id: "asked", hasUrl: true };
  const next = followUrl(asked, id);
  expect(next).toMatchObject({ hasUrl: false });
  expect(followUrl(next, "asked")).toBe(next);
  expect(next.id).not.toBe("asked");
});
