# Sourced by the scripts beside it, which set $root: finds a Python, then `set_up` readies $python with all it needs.

python=$root/.venv/bin/python

# Child processes share bytecode, and import nothing that only the caller's shell knows about.
unset PYTHONDONTWRITEBYTECODE PYTHONHOME PYTHONPATH

is_recent() {
  command -v "$1" >/dev/null 2>&1 && "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

set_up() {
  for candidate in "$python" python3 python3.14 python3.13 python3.12 python3.11; do
    if is_recent "$candidate"; then
      "$candidate" "$root/scripts/setup.py" "$@"
      return
    fi
  done
  echo "Headwater needs Python 3.11 or newer, and finds none on PATH." >&2
  exit 1
}
