/** The files that a user has chosen or dropped, with their paths. */

export interface ChosenFile {
  /** The path in the source, such as `manuals/pump.pdf`. */
  readonly path: string;
  readonly file: File;
}

/** Name chosen files by their path in the folder that was chosen, else by their name. */
export function chosenFiles(files: Iterable<File>): ChosenFile[] {
  return [...files].map((file) => ({ path: file.webkitRelativePath || file.name, file })).filter(isVisible);
}

/** Read dropped files and, with all that is in them, dropped folders. Call it before the event handler returns. */
export async function droppedFiles(items: DataTransferItemList): Promise<ChosenFile[]> {
  // The list is emptied once the event has been handled.
  const entries = [...items]
    .map((item) => item.webkitGetAsEntry() ?? item.getAsFile())
    .filter((entry) => entry !== null);
  return (await Promise.all(entries.map(readEntry))).flat().filter(isVisible);
}

/** Files that start with a dot, such as `.DS_Store`, are the operating system's. */
function isVisible({ path }: ChosenFile): boolean {
  return !path.split("/").some((part) => part.startsWith("."));
}

async function readEntry(entry: FileSystemEntry | File): Promise<ChosenFile[]> {
  if (entry instanceof File) return [{ path: entry.name, file: entry }];
  if (entry instanceof FileSystemFileEntry) {
    const file = await new Promise<File>((resolve, reject) => {
      entry.file(resolve, reject);
    });
    return [{ path: entry.fullPath.replace(/^\//, ""), file }];
  }
  if (!(entry instanceof FileSystemDirectoryEntry)) return [];
  return (await Promise.all((await readFolder(entry)).map(readEntry))).flat();
}

/** Read all entries of a folder. Browsers return some at a time, and none at the end. */
async function readFolder(folder: FileSystemDirectoryEntry): Promise<FileSystemEntry[]> {
  const reader = folder.createReader();
  const all: FileSystemEntry[] = [];
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => {
      reader.readEntries(resolve, reject);
    });
    if (some.length === 0) return all;
    all.push(...some);
  }
}
