"""Builds of front ends in the sandbox, with the packages that the set-up has installed."""

import subprocess
from pathlib import Path

import pytest

from headwater.sandbox.frames import SandboxUnavailable
from headwater.sandbox.front_end import MAX_SITE_FILES, build
from headwater.sandbox.runner import Sandbox, find_sandbox
from tests.harness.browser import BROWSER, needs_browser
from tests.harness.paths import ROOT

OTHER = b'export const show = () => { document.body.append("later") }'
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


def test_page_is_built_into_one_file(sandbox: Sandbox) -> None:
    shown: list[bytes] = []
    built = build(sandbox, {**PAGE, "dist/old.js": b"old"}, on_output=shown.append)
    assert built.succeeded, built.log
    assert b"".join(shown).startswith(b"vite v")
    assert list(built.files) == ["index.html"]
    page = built.files["index.html"].decode()
    assert "button{color:teal}" in page
    assert " src=" not in page.partition("<title>")[0].partition("<script")[2].partition(">")[0]


def test_page_of_several_scripts_has_relative_addresses(sandbox: Sandbox) -> None:
    lazy = {"src/main.jsx": b'import("./other.js").then((module) => module.show())', "src/other.js": OTHER}
    built = build(sandbox, {**PAGE, **lazy, "public/logo.svg": b"<svg/>"})
    assert built.succeeded, built.log
    scripts = [path for path in built.files if path.endswith(".js")]
    assert len(scripts) == 2
    assert any(f'src="./{path}"' in built.files["index.html"].decode() for path in scripts)
    assert "logo.svg" in built.files


@needs_browser
def test_built_page_works_in_a_browser_as_a_file(sandbox: Sandbox, tmp_path: Path) -> None:
    hostile = PAGE["src/main.jsx"] + b'document.title = "<!--<script></script>" + "$&"\n'
    built = build(sandbox, {**PAGE, "src/main.jsx": hostile})
    page = tmp_path / "index.html"
    page.write_bytes(built.files["index.html"])
    command = [str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    command += ["--virtual-time-budget=5000", "--dump-dom", page.as_uri()]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
    assert "<button>Tide 0</button>" in shown
    assert "&lt;!--&lt;script&gt;&lt;/script&gt;$&amp;</title>" in shown


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
