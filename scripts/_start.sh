# Sourced by the scripts in this folder, which set $root first. Provides help_if_asked, refuse_arguments, find_python and
# set_up; set_up makes the environment whose interpreter is $python.

python=$root/.venv/bin/python

# Bytecode is shared with child processes, and no variable of the calling shell changes what Python imports.
unset PYTHONDONTWRITEBYTECODE PYTHONHOME PYTHONPATH

# Node starts sooner with code that was compiled before: of wrangler, the TypeScript compiler, Playwright.
export NODE_COMPILE_CACHE="$root/.headwater/node-cache"

# Turns off onnxruntime's telemetry.
export ORT_DISABLE_TELEMETRY=1

print_help() {
  sed -n -e 1d -e '/^[^#]/q' -e 's/^# \{0,1\}//p' "$0"
}

# Prints the comment at the top of the script and exits if an argument is --help. Needs no Python and installs nothing.
help_if_asked() {
  for argument; do
    case $argument in
      --) return ;;
      -h | --help)
        print_help
        exit
        ;;
    esac
  done
}

refuse_arguments() {
  if [ $# -gt 0 ]; then
    echo "scripts/${0##*/}: unknown argument: $1. Run scripts/${0##*/} --help." >&2
    exit 2
  fi
}

is_python() {
  command -v "$1" >/dev/null 2>&1 && "$1" -c "import sys; v = sys.version_info; sys.exit(not ($2))" >/dev/null 2>&1
}

# Sets $found to a Python. Prefers the releases that every locked package has wheels for.
find_python() {
  for condition in '(3, 11) <= v < (3, 15)' 'v >= (3, 11)'; do
    for found in "$python" python3 python3.14 python3.13 python3.12 python3.11; do
      if is_python "$found" "$condition"; then
        return
      fi
    done
  done
  echo "Headwater needs Python 3.11 or newer, and none is on PATH. Install one and run this again." >&2
  exit 1
}

set_up() {
  find_python
  "$found" "$root/scripts/setup.py" "$@"
}
