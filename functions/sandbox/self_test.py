"""Run what agents use in the sandbox: packages of Python, a picture, Vite, no network. Called after a deployment."""

from headwater.errors import HeadwaterError
from headwater.sandbox.front_end import build
from headwater.sandbox.limits import Limits
from headwater.sandbox.runner import find_sandbox

FRONT_END = "/usr/local/lib/front-end"
"""The folder of the image with Vite and React."""

_LIMITS = Limits(seconds=60)

_PYTHON = """
import os, socket
os.environ["MPLBACKEND"] = "Agg"
import matplotlib.pyplot as plt, numpy as np, pandas as pd
frame = pd.DataFrame({"x": np.arange(10), "y": np.arange(10) ** 2})
plt.plot(frame.x, frame.y); plt.savefig("plot.png")
try:
    socket.create_connection(("169.254.169.254", 80), timeout=1)
except OSError:
    print(int(frame.y.sum()))
"""


_PAGE = {
    "index.html": b'<div id="root"></div><script type="module" src="main.jsx"></script>',
    "main.jsx": b"""import { createRoot } from "react-dom/client"
createRoot(document.getElementById("root")).render(<p>It works</p>)""",
}


def find_fault() -> str:
    """Return what doesn't work, '' if all does."""
    try:
        sandbox = find_sandbox(FRONT_END)
        python = sandbox.run(["python3", "-c", _PYTHON], {}, _LIMITS)
        page = build(sandbox, _PAGE)
    except HeadwaterError as error:
        return error.message
    if python.output.strip() != b"285" or not python.files.get("plot.png", b"").startswith(b"\x89PNG"):
        return f"Python: {python.describe(_LIMITS)} {python.output.decode(errors='replace')[-500:]}"
    return "" if page.succeeded and "index.html" in page.files else f"Vite: {page.log[-500:]}"
