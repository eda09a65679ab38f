/** Replace the messages of a conversation by the stored ones. */

import type { Chat } from "@ai-sdk/react";
import { readConversation } from "../api/conversations";
import { problemOf } from "../api/problem";
import type { Message } from "../api/types";
import { isEmptyAnswer, textOf, waitingCallsOf } from "./message-parts";

/** No answer is in progress: read the stored messages, unless the last answer is complete. */
export async function catchUp(chat: Chat<Message>): Promise<void> {
  const last = chat.lastMessage;
  if (last?.role !== "assistant" || !last.metadata) await readStored(chat);
}

/** Show what was asked and answered elsewhere: read the stored messages, and resume an answer in progress. */
export async function refresh(chat: Chat<Message>): Promise<void> {
  if (chat.status !== "ready" || chat.messages.length === 0) return;
  if (waitingCallsOf(chat.lastMessage).length > 0) {
    await readEnded(chat); // it stays as it is while it waits, with what the person has typed
    return;
  }
  const before = chat.messages;
  await readStored(chat);
  if (chat.messages !== before && chat.lastMessage?.role === "user") await chat.resumeStream();
}

/**
 * An answer has ended: read the stored messages, which have IDs and versions of their own, and say how it ended. While
 * the answer isn't stored, such as after a lost connection, the messages and the error stay.
 */
export async function readEnded(chat: Chat<Message>): Promise<void> {
  const answer = chat.lastMessage;
  if (answer?.role !== "assistant" || isEmptyAnswer(answer)) return;
  try {
    const { messages } = await readConversation(chat.id);
    if (chat.lastMessage?.id !== answer.id || !messages.some((message) => message.id === answer.id)) return;
    if (chat.status === "error") chat.clearError();
    if (chat.status === "ready") chat.messages = messages;
  } catch {
    // They are read again when the page gets the focus.
  }
}

/** Whether the API lacks the last question. False if it can't be asked. */
export async function hasNotArrived(chat: Chat<Message>): Promise<boolean> {
  try {
    const { messages } = await readConversation(chat.id);
    return countQuestions(messages) < countQuestions(chat.messages);
  } catch (error) {
    return problemOf(error).status === 404;
  }
}

/** Replace the messages by the stored ones if they differ. Keeps questions that were never sent. */
async function readStored(chat: Chat<Message>): Promise<void> {
  try {
    const { messages } = await readConversation(chat.id);
    // Stored questions have other IDs, so they are matched by number.
    const unstored = chat.messages.filter((message) => message.role === "user").slice(countQuestions(messages));
    const all = [...messages, ...unstored];
    if (chat.status === "ready" && describe(all) !== describe(chat.messages)) chat.messages = all;
  } catch {
    // Keep the messages as they are; the user can ask again.
  }
}

function countQuestions(messages: readonly Message[]): number {
  return messages.filter((message) => message.role === "user").length;
}

function describe(messages: readonly Message[]): string {
  return JSON.stringify(
    messages.map((message) => [textOf(message), message.metadata?.state ?? "complete", message.metadata?.versions]),
  );
}
