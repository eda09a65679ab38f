/** Changes of conversations in other tabs and on other devices. */

import { useEffect } from "react";

const CHANNEL = "headwater:conversations";
let channel: BroadcastChannel | null = null;

/** The tab's only channel: a channel doesn't get its own messages. */
function openChannel(): BroadcastChannel {
  channel ??= new BroadcastChannel(CHANNEL);
  return channel;
}

/** Tell the other tabs of this browser that a conversation has changed. */
export function announceChange(conversationId: string): void {
  openChannel().postMessage(conversationId);
}

/**
 * Call `onChange` when another tab announces a change, with the conversation's ID, and with null when this tab gets the
 * focus again: other devices announce nothing.
 */
export function useOtherTabs(onChange: (conversationId: string | null) => void): void {
  useEffect(() => {
    const opened = openChannel();
    const onMessage = ({ data }: MessageEvent): void => {
      if (typeof data === "string") onChange(data);
    };
    const onFocus = (): void => {
      onChange(null);
    };
    opened.addEventListener("message", onMessage);
    window.addEventListener("focus", onFocus);
    return () => {
      opened.removeEventListener("message", onMessage);
      window.removeEventListener("focus", onFocus);
    };
  }, [onChange]);
}
