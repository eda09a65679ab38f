# Sourced by the scripts beside it, which set $root: `find_python` finds one, `set_up` readies $python with all it needs.

python=$root/.venv/bin/python

# Child processes share bytecode, and import nothing that only the caller's shell knows about.
unset PYTHONDONTWRITEBYTECODE PYTHONHOME PYTHONPATH

# onnxruntime would tell its maker how it is used.
export ORT_DISABLE_TELEMETRY=1

is_python() {
  command -v "$1" >/dev/null 2>&1 && "$1" -c "import sys; v = sys.version_info; sys.exit(not ($2))" >/dev/null 2>&1
}

# Sets $found to a Python: first one of the releases that every locked package is built for, then whatever is newer.
find_python() {
  for condition in '(3, 11) <= v < (3, 15)' 'v >= (3, 11)'; do
    for found in "$python" python3 python3.14 python3.13 python3.12 python3.11; do
      if is_python "$found" "$condition"; then
        return
      fi
    done
  done
  echo "Headwater needs Python 3.11 or newer, and finds none on PATH." >&2
  exit 1
}

set_up() {
  find_python
  "$found" "$root/scripts/setup.py" "$@"
}
