import { useCallback, type ReactNode } from "react";
import { readContent } from "../api/stored-files";
import { useLoad } from "../ui/use-load";

const MAX_BYTES = 5_000_000;
const TYPES = /^image\/(?:png|jpeg|gif|webp)$/;

/** Whether a file is shown as a picture. The API checks its content, and sends any other with a type of its own. */
export function isPicture(path: string, bytes: number): boolean {
  return /\.(?:png|jpe?g|gif|webp)$/i.test(path) && bytes <= MAX_BYTES;
}

/** A picture of a conversation. Nothing is shown if it can't be read. */
export function Picture(props: { conversationId: string; path: string; version: number }): ReactNode {
  const { conversationId, path, version } = props;
  const load = useCallback(
    async (signal: AbortSignal) => dataUrl(await readContent(conversationId, path, version, signal)),
    [conversationId, path, version],
  );
  const { value: url } = useLoad(load);
  return url === null || url === "" ? null : <img className="stored-picture" src={url} alt={path} />;
}

/** Return a picture as a data URL, which the page's Content-Security-Policy allows; "" for any other content. */
async function dataUrl(content: Blob): Promise<string> {
  if (!TYPES.test(content.type)) return "";
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => {
      resolve(reader.result as string);
    };
    reader.onerror = () => {
      reject(new Error("The picture can't be read."));
    };
    reader.readAsDataURL(content);
  });
}
