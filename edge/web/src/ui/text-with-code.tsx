import type { ReactNode } from "react";

/** Plain text of the API in which `code` is set in backticks. */
export function TextWithCode({ text }: { text: string }): ReactNode {
  const parts = text.split(/`([^`]+)`/);
  return parts.map((part, index) => (index % 2 === 1 ? <code key={index}>{part}</code> : part));
}
