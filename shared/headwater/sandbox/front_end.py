"""Build a static front end in the sandbox, with Vite and React and without a registry."""

import re
from collections.abc import Callable, Mapping

import msgspec

from headwater.sandbox.limits import Limits
from headwater.sandbox.runner import CommandRunner

LIMITS = Limits(seconds=120, memory_bytes=1024**3, processes=128, output_bytes=100_000)
"""Of a build. Rolldown and V8 start about 40 threads."""

MAX_SITE_BYTES = 20 * 1024**2
MAX_SITE_FILES = 500

_SCRIPT = ".build.mjs"
OUT = "dist/"
# Without a configuration of the files' own: it would be a program of ours to keep working with any content. Paths are
# relative, and a page has its script and style in it, so that it works below any address and as a downloaded file:
# browsers load no modules from disk.
_PROGRAM = b"""
import { build } from "vite"
import react from "@vitejs/plugin-react"
const escape = (code) => code.replaceAll("</script", "<\\\\/script").replaceAll("<!--", "\\\\x3C!--")
const inline = {
  name: "inline",
  enforce: "post",
  generateBundle(_, bundle) {
    for (const page of Object.values(bundle)) {
      if (page.type !== "asset" || !page.fileName.endsWith(".html")) continue
      for (const [name, part] of Object.entries(bundle)) {
        const path = name.replaceAll(".", "\\.")
        const script = new RegExp(`<script type="module"[^>]* src="[./]*${path}"></script>`)
        const style = new RegExp(`<link rel="stylesheet"[^>]* href="[./]*${path}">`)
        let tag = null
        if (part.type === "chunk" && part.imports.length + part.dynamicImports.length === 0 && script.test(page.source))
          tag = [script, `<script type="module">${escape(part.code)}</script>`]
        if (part.type === "asset" && name.endsWith(".css") && style.test(page.source))
          tag = [style, `<style>${String(part.source).replaceAll("</style", "<\\\\/style")}</style>`]
        if (tag === null) continue
        page.source = page.source.replace(tag[0], () => tag[1])
        delete bundle[name]
      }
    }
  },
}
try {
  await build({
    configFile: false, root: "/work", base: "./", cacheDir: "/tmp/vite", plugins: [react(), inline], logLevel: "info",
    build: { outDir: "/work/dist", emptyOutDir: true, reportCompressedSize: false },
  })
} catch (error) {
  console.error(error.message)
  process.exit(1)
}
"""
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f]")


class Build(msgspec.Struct, frozen=True):
    """How a build ended: its log, and the site's files by path if it succeeded."""

    succeeded: bool
    log: str
    files: Mapping[str, bytes]
    seconds: float


def build(
    sandbox: CommandRunner,
    sources: Mapping[str, bytes],
    *,
    on_output: Callable[[bytes], object] = len,
    is_stopped: Callable[[], bool] = lambda: False,
) -> Build:
    """Build the site whose page is `index.html` in the sources. Earlier results in `dist` are ignored.

    Raises what `CommandRunner.run` raises.
    """
    if "index.html" not in sources:
        return Build(False, "There is no file index.html. Write it; it loads the site's script.", {}, 0.0)
    given = {path: content for path, content in sources.items() if not path.startswith(OUT)} | {_SCRIPT: _PROGRAM}
    outcome = sandbox.run(["node", _SCRIPT], given, LIMITS, on_output=on_output, is_stopped=is_stopped)
    log = clean_log(outcome.output)
    site = {path.removeprefix(OUT): content for path, content in outcome.files.items() if path.startswith(OUT)}
    problem = "" if outcome.reason == "exit" and outcome.code == 0 else outcome.describe(LIMITS)
    problem = problem or _find_problem(site)
    return Build(not problem, f"{log}\n{problem}".strip(), {} if problem else site, outcome.seconds)


def clean_log(output: bytes) -> str:
    """Return a program's output without colours and control characters."""
    return _CONTROL.sub("", output.decode(errors="replace")).strip()


def _find_problem(site: Mapping[str, bytes]) -> str:
    if "index.html" not in site:
        return "The build wrote no index.html."
    if len(site) > MAX_SITE_FILES:
        return f"The site has {len(site):,} files, more than the limit of {MAX_SITE_FILES}."
    size = sum(map(len, site.values()))
    return f"The site has {size:,} bytes, more than the limit of {MAX_SITE_BYTES:,}." if size > MAX_SITE_BYTES else ""
