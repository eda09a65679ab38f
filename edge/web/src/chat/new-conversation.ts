/** The state of a new conversation, which has no URL until its first question. Pure. */

export interface NewConversation {
  id: string;
  /** Whether the first question has given it a URL. */
  hasUrl: boolean;
}

export function createConversation(): NewConversation {
  return { id: crypto.randomUUID(), hasUrl: false };
}

/**
 * Return the new conversation after navigating to conversation `id`, or to none (null). When a conversation with a URL
 * is left, it is a stored one, and another new one replaces it.
 */
export function followUrl(conversation: NewConversation, id: string | null): NewConversation {
  const isOpen = id === conversation.id;
  if (isOpen === conversation.hasUrl) return conversation;
  return isOpen ? { ...conversation, hasUrl: true } : createConversation();
}
