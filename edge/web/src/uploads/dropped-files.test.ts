import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { chosenFiles, droppedFiles } from "./dropped-files";

const BATCH = 100; // Chromium's readEntries returns at most so many.

class FakeFile {
  constructor(
    readonly fullPath: string,
    readonly error?: Error,
  ) {}

  file(resolve: (file: File) => void, reject: (error: Error) => void): void {
    if (this.error) reject(this.error);
    else resolve(new File(["text"], this.fullPath.replace(/^.*\//, "")));
  }
}

class FakeFolder {
  constructor(readonly children: (FakeFile | FakeFolder)[]) {}

  createReader() {
    const left = [...this.children];
    return {
      readEntries: (resolve: (entries: unknown[]) => void) => {
        resolve(left.splice(0, BATCH));
      },
    };
  }
}

beforeEach(() => {
  vi.stubGlobal("FileSystemFileEntry", FakeFile);
  vi.stubGlobal("FileSystemDirectoryEntry", FakeFolder);
});
afterEach(() => {
  vi.unstubAllGlobals();
});

/** Drop entries, and files of which the browser has no entry, as pasted images. */
async function drop(...dropped: (FakeFile | FakeFolder | File | null)[]): Promise<string[]> {
  const items = dropped.map((one) => ({
    webkitGetAsEntry: () => (one instanceof File ? null : one),
    getAsFile: () => (one instanceof File ? one : null),
  }));
  const found = await droppedFiles(items as unknown as DataTransferItemList);
  return found.map(({ path }) => path);
}

it("reads all files of a folder, of which the browser returns some at a time", async () => {
  const paths = Array.from({ length: 101 }, (_, number) => `manuals/${String(number)}.md`);
  expect(await drop(new FakeFolder(paths.map((path) => new FakeFile(`/${path}`))))).toEqual(paths);
});

it("names files by their path in the folder that was dropped", async () => {
  const parts = new FakeFolder([new FakeFile("/manuals/parts/a.pdf"), new FakeFolder([])]);
  const deep = new FakeFolder([parts, new FakeFolder([new FakeFile("/manuals/old/v1/a.pdf")])]);
  expect(await drop(deep, new FakeFile("/b.pdf"), new File(["image"], "image.png"), null)).toEqual([
    "manuals/parts/a.pdf",
    "manuals/old/v1/a.pdf",
    "b.pdf",
    "image.png",
  ]);
});

it("leaves hidden files and folders out", async () => {
  const git = new FakeFolder([new FakeFile("/manuals/.git/config")]);
  const folder = new FakeFolder([new FakeFile("/manuals/.DS_Store"), git, new FakeFile("/manuals/a.md")]);
  expect(await drop(folder, new FakeFile("/.env"))).toEqual(["manuals/a.md"]);
});

it("fails if the browser can't read a file", async () => {
  const broken = new FakeFolder([new FakeFile("/manuals/a.md", new Error("NotReadableError"))]);
  await expect(drop(broken)).rejects.toThrow("NotReadableError");
});

it("names chosen files by their path in the chosen folder", () => {
  const chosen = ["manuals/parts/a.pdf", "manuals/.DS_Store", ""].map((path) =>
    Object.defineProperty(new File(["text"], "a.pdf"), "webkitRelativePath", { value: path }),
  );
  expect(chosenFiles(chosen).map(({ path }) => path)).toEqual(["manuals/parts/a.pdf", "a.pdf"]);
});
