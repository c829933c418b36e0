# Sourced by ./run and ./test: makes .venv with the pinned requirements and leaves it activated. Nothing is done twice.
#
#   PYTHON                  the Python to use (3.11 to 3.13); otherwise the first that is found
#   TUMORSYNTH_TORCH_INDEX  a package index with PyTorch's CPU builds: on Linux PCs the usual build brings gigabytes of
#                           CUDA libraries along, which a computer without an NVIDIA card has no use for

set -euo pipefail

say() { printf '%s\n' "$*" >&2; }

is_supported() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; }

find_python() {
    local candidate PATH=${PATH//"$PWD/.venv/bin:"/} # an activated .venv is not the Python to make it from
    for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
        if is_supported "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}

# Debian and Ubuntu split Python's venv into a package of its own.
missing_packages() {
    local python
    if ! python=$(find_python); then
        echo python3 python3-venv
    elif ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        "$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])'
    fi
}

install_packages() {
    local as_root=()
    if [ "$(id -u)" != 0 ]; then
        as_root=(sudo -n)
        sudo -n true 2>/dev/null || return 1
    fi
    command -v apt-get >/dev/null || return 1
    say "Installing system packages: $*"
    "${as_root[@]}" apt-get update -qq >&2 && "${as_root[@]}" apt-get install -y -qq "$@" >&2
}

# What only the workbench's window needs is told by the libraries that do not load, whatever their packages are called here.
missing_window_packages() {
    local screen=()
    [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ] && screen=(--screen)
    "$1" workbench/system_libraries.py "${screen[@]}"
}

# Everything but the window works without them, so this never ends the set-up.
offer_window_packages() {
    local missing
    missing=$(missing_window_packages "$1")
    [ -z "$missing" ] && return
    # shellcheck disable=SC2086
    install_packages $missing && missing=$(missing_window_packages "$1")
    [ -z "$missing" ] && return
    say "The workbench's window will not open before these are installed:"
    say "  sudo apt-get install $missing"
}

require_system_packages() {
    local missing
    missing=$(missing_packages)
    [ -z "$missing" ] && return
    # shellcheck disable=SC2086
    install_packages $missing && [ -z "$(missing_packages)" ] && return
    say "Missing on this system: $missing"
    say "Install with:           sudo apt-get install $missing"
    say "Python 3.11, 3.12 or 3.13 is needed; another one than the system's can be named: PYTHON=/path/to/python3.12"
    exit 1
}

fingerprint() {
    {
        cat requirements.txt pyproject.toml tools/setup.sh
        "$1" -VV
        echo "${TUMORSYNTH_TORCH_INDEX:-}"
    } | "$1" -c 'import hashlib, sys; print(hashlib.sha256(sys.stdin.buffer.read()).hexdigest())'
}

install_torch() {
    local pinned
    pinned=$(grep '^torch==' requirements.txt)
    if [ -n "${TUMORSYNTH_TORCH_INDEX:-}" ]; then
        .venv/bin/python -m pip install --quiet --index-url "$TUMORSYNTH_TORCH_INDEX" "$pinned"
    elif [ "$(uname -sm)" = "Linux x86_64" ] && ! command -v nvidia-smi >/dev/null; then
        say "No NVIDIA card found. PyTorch's usual build works, but brings its CUDA libraries (some gigabytes);"
        say "to spare them, set TUMORSYNTH_TORCH_INDEX as README.md tells."
    fi
}

make_environment() {
    local python
    python=$(find_python)
    say "Setting up .venv with $("$python" --version). This takes some minutes, once."
    offer_window_packages "$python"
    is_supported .venv/bin/python || "$python" -m venv --clear .venv
    install_torch
    .venv/bin/python -m pip install --quiet --requirement requirements.txt
    .venv/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable .
}

set_up() {
    local stamp=.venv/.tumorsynth-set-up wanted
    require_system_packages
    wanted=$(fingerprint "$(find_python)")
    if [ ! -x .venv/bin/python ] || [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
        make_environment
        echo "$wanted" > "$stamp"
        say "Set-up done."
    fi
    # shellcheck disable=SC1091
    source .venv/bin/activate
}
