import { expect, it } from "vitest";

const MODULES = import.meta.glob<string>("./**/*.{ts,tsx}", { query: "?raw", import: "default", eager: true });
const IMPORT = /(?:from|import|import\()\s*"(\.{1,2}\/[^"]+)"/g;

type Graph = Map<string, Set<string>>;

function resolve(importer: string, specifier: string): string | null {
  const path = new URL(specifier, `file:///${importer}`).pathname.replace(/^\//, "./");
  if (path.endsWith(".css")) return null;
  const found = [`${path}.ts`, `${path}.tsx`, `${path}.d.ts`].find((candidate) => candidate in MODULES);
  if (found === undefined) throw new Error(`${importer} imports ${specifier}, which is not a module of this app`);
  return found;
}

function moduleGraph(): Graph {
  return new Map(
    Object.entries(MODULES).map(([path, source]) => {
      const imports = [...source.matchAll(IMPORT)].map(([, specifier = ""]) => resolve(path, specifier));
      return [path, new Set(imports.filter((target) => target !== null))];
    }),
  );
}

/** Merge modules into their folders: "./runs/run-page.tsx" becomes "runs". */
function folderGraph(modules: Graph): Graph {
  const folderOf = (path: string): string => path.split("/").at(-2) ?? "";
  const folders: Graph = new Map();
  for (const [path, targets] of modules) {
    const folder = folderOf(path);
    const imported = folders.get(folder) ?? new Set();
    for (const target of targets) if (folderOf(target) !== folder) imported.add(folderOf(target));
    folders.set(folder, imported);
  }
  return folders;
}

/** Return a cycle as the path from a node back to itself, or null. */
function findCycle(graph: Graph): string[] | null {
  const finished = new Set<string>();
  const visit = (node: string, path: string[]): string[] | null => {
    if (path.includes(node)) return [...path.slice(path.indexOf(node)), node];
    if (finished.has(node)) return null;
    for (const target of graph.get(node) ?? []) {
      const cycle = visit(target, [...path, node]);
      if (cycle) return cycle;
    }
    finished.add(node);
    return null;
  };
  for (const node of graph.keys()) {
    const cycle = visit(node, []);
    if (cycle) return cycle;
  }
  return null;
}

it("finds a cycle", () => {
  const graph = new Map([
    ["a", new Set(["b"])],
    ["b", new Set(["c"])],
    ["c", new Set(["b"])],
  ]);
  expect(findCycle(graph)).toEqual(["b", "c", "b"]);
});

it("has no import cycle between modules", () => {
  const modules = moduleGraph();
  expect(modules.get("./main.tsx")).toContain("./shell/app.tsx");
  expect(findCycle(modules)).toBeNull();
});

it("has no import cycle between folders", () => {
  const folders = folderGraph(moduleGraph());
  expect(folders.get("sources")).toContain("runs");
  expect(findCycle(folders)).toBeNull();
});
