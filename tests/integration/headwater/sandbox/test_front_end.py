"""Builds of front ends in the sandbox, with the packages that the set-up has installed."""

import pytest

from headwater.sandbox.frames import SandboxUnavailable
from headwater.sandbox.front_end import MAX_SITE_FILES, build
from headwater.sandbox.runner import Sandbox, find_sandbox
from tests.harness.paths import ROOT

FRONT_END = ROOT / ".headwater" / "front-end"

PAGE = {
    "index.html": b'<title>Tides</title><div id="root"></div><script type="module" src="src/main.jsx"></script>',
    "src/main.jsx": b"""import { useState } from "react"
import { createRoot } from "react-dom/client"
import "./page.css"
function Page() {
  const [count, setCount] = useState(0)
  return <button onClick={() => setCount(count + 1)}>Tide {count}</button>
}
createRoot(document.getElementById("root")).render(<Page />)
""",
    "src/page.css": b"button { color: teal }",
}


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    if not (FRONT_END / "node_modules").exists():
        pytest.skip("needs the set-up: scripts/setup.py installs the packages")
    try:
        return find_sandbox(str(FRONT_END))
    except SandboxUnavailable as error:
        pytest.skip(f"needs namespaces: {error.message}")


def test_page_is_built_with_relative_addresses(sandbox: Sandbox) -> None:
    shown: list[bytes] = []
    built = build(sandbox, {**PAGE, "dist/old.js": b"old"}, on_output=shown.append)
    assert built.succeeded, built.log
    assert b"".join(shown).startswith(b"vite v")
    page = built.files["index.html"].decode()
    [script] = [path for path in built.files if path.endswith(".js")]
    [style] = [path for path in built.files if path.endswith(".css")]
    assert f'src="./{script}"' in page
    assert f'href="./{style}"' in page
    assert "dist/old.js" not in built.files
    assert "old.js" not in built.files
    assert not [path for path in built.files if path.startswith(("src/", "."))]


@pytest.mark.parametrize(
    ("path", "content", "says"),
    [
        ("src/main.jsx", b"const a = <div>;", "main.jsx:1"),
        ("src/main.jsx", b'import a from "./nowhere"', "nowhere"),
        ("src/main.jsx", b'import a from "left-pad"', "left-pad"),
        ("src/main.jsx", b'import a from "http://127.0.0.1:9/x.js"; console.log(a)', ""),
        ("index.html", None, "no file index.html"),
    ],
    ids=["syntax", "missing file", "missing package", "address", "no page"],
)
def test_broken_page_says_what_is_wrong(sandbox: Sandbox, path: str, content: bytes | None, says: str) -> None:
    sources = {name: text for name, text in PAGE.items() if name != path or content is not None}
    built = build(sandbox, sources | ({path: content} if content is not None else {}))
    assert built.succeeded == (not says), built.log
    assert says in built.log
    assert "\x1b" not in built.log


def test_build_can_not_replace_the_packages_or_reach_the_system(sandbox: Sandbox) -> None:
    hostile = {
        **PAGE,
        "vite.config.js": b"import fs from 'fs'; fs.writeFileSync('/work/dist/taken', 'x'); export default {}",
        "node_modules/react/index.js": b"throw new Error('replaced')",
        "postcss.config.cjs": b"require('fs').appendFileSync('/node_modules/react/index.js', 'x')",
    }
    built = build(sandbox, hostile)
    assert "taken" not in built.files
    assert build(sandbox, PAGE).succeeded


def test_site_with_too_many_files_is_refused(sandbox: Sandbox) -> None:
    public = {f"public/{n}.txt": b"x" for n in range(MAX_SITE_FILES)}
    built = build(sandbox, PAGE | public)
    assert (built.succeeded, built.files) == (False, {})
    assert "files, more than the limit of 500" in built.log
