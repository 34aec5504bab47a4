# Sourced by the scripts in this folder: finds or makes the Python environment, then runs a module in it.
#
#   1. An activated environment (venv or conda) in which dgm_tf is installed is used as it is.
#   2. Otherwise .venv-gpu (where `nvidia-smi -L` works) or .venv-cpu in the checkout, made from the hashed
#      lock file in requirements/ and kept until that file changes.
#
# A script that needs more than a run does sets `also_needed` to the names of the modules: an activated environment must
# have them, too, and the checkout's own one is completed from the development lock (requirements/cpu-dev.txt).
# The code that runs is always this checkout's: the environment only provides what it depends on.
# Bash 3.2, which macOS has, must understand all of this.

project_root=$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")

# Prints the version; succeeds on a Python that TensorFlow publishes wheels for.
python_check='
import platform, sys, sysconfig
print(platform.python_version())
sys.exit(not ((3, 11) <= sys.version_info[:2] < (3, 14) and sys.implementation.name == "cpython"
              and sys.maxsize > 2**32 and not sysconfig.get_config_var("Py_GIL_DISABLED")))'
installed_check='
import importlib.metadata, importlib.util, sys
importlib.metadata.version("dgm_tf")
sys.exit(any(importlib.util.find_spec(name) is None for name in ["tensorflow", *sys.argv[1:]]))'

say() { echo "dgm_tf: $*" >&2; }
fail() { say "$@"; exit 1; }

# Isolated (-I), so that neither the working directory nor PYTHONPATH can pass for an installation.
active_python() {
    local prefix
    for prefix in "${VIRTUAL_ENV:-}" "${CONDA_PREFIX:-}"; do
        if [ -n "$prefix" ] && "$prefix/bin/python" -I -c "$installed_check" ${also_needed:-} >/dev/null 2>&1; then
            echo "$prefix/bin/python"
            return
        fi
    done
    return 1
}

# Candidates are run, not just looked up: the shims of version managers exist for Pythons that do not start.
find_python() {
    local name version found=""
    for name in python3 python3.13 python3.12 python3.11 python; do
        command -v "$name" >/dev/null || continue
        if version=$("$name" -I -c "$python_check" 2>/dev/null); then
            "$name" -I -c 'import sys; print(sys.executable)'
            return
        fi
        found+=" $name (${version:-does not start})"
    done
    say "needs Python 3.11, 3.12 or 3.13 (64-bit CPython) or uv on the PATH. Found:${found:- no Python}."
    return 1
}

check_platform() {
    case "$(uname -s) $(uname -m)" in
        "Linux x86_64" | "Linux aarch64") ;;
        "Darwin arm64") say "macOS on Apple silicon is untested: the locked packages exist for it, but no test has run there." ;;
        *) fail "needs Linux on x86_64 or aarch64, or macOS on Apple silicon; this is $(uname -s) on $(uname -m)." ;;
    esac
}

# make_venv FOLDER: with uv where there is one, else with the standard library's venv.
make_venv() {
    local folder=$1 python
    if command -v uv >/dev/null; then
        # uv can fetch a Python itself, so finding none is not the end.
        python=$(find_python 2>/dev/null) || python=">=3.11,<3.14"
        say "setting up $folder with uv, once; this takes half a minute to a few minutes ..."
        uv venv --quiet --no-project --python "$python" "$folder"
    else
        python=$(find_python) || exit 1
        "$python" -c "import ensurepip, venv" 2>/dev/null || fail "$python cannot make environments:" \
            "install its venv module (Debian, Ubuntu: apt install python3-venv) or uv."
        say "setting up $folder with $python, once; this takes two minutes to ten ..."
        "$python" -m venv "$folder"
    fi
}

# install_locked FOLDER LOCK_FILE: what is there already in the locked version is left alone.
install_locked() {
    if command -v uv >/dev/null; then
        uv pip install --quiet --require-hashes --compile-bytecode --python "$1/bin/python" -r "$2"
    else
        "$1/bin/python" -m pip install -qq --no-input --disable-pip-version-check --require-hashes -r "$2"
    fi
}

# Holds file descriptor 9 for this shell alone, as long as it is open. macOS has no flock command.
wait_for_turn() {
    local python code='import fcntl, sys; fcntl.flock(9, fcntl.LOCK_EX | (fcntl.LOCK_NB if sys.argv[1:] else 0))'
    if command -v flock >/dev/null; then
        take() { flock "$@" 9; }
    elif python=$(find_python 2>/dev/null); then
        take() { "$python" -I -c "$code" "$@" 2>/dev/null; }
    else
        return 0 # uv will fetch a Python; nothing here could lock
    fi
    take --nonblock || { say "waiting for another command that is setting up $1 ..."; take; }
}

# is_set_up FOLDER LOCK_FILES...: whether it was made from one of them. The copy of the lock file in an environment is
# written last, so a set-up that was killed is done again, and so is one whose lock file has changed.
is_set_up() {
    local folder=$1 lock
    shift
    [ -x "$folder/bin/python" ] || return 1
    for lock; do ! cmp -s "$lock" "$folder/installed.txt" || return 0; done
    return 1
}

# set_up FOLDER LOCK_FILE SMALLER_LOCK_FILE: anew, or completed where it was made from the smaller one, whose
# versions the other one has, too: what runs in it meanwhile is not disturbed.
set_up() {
    local folder=$1 lock=$2
    if is_set_up "$folder" "$3"; then
        say "adding to $folder what tests and releases need, once ..."
        rm "$folder/installed.txt" || return 1
    else
        rm -rf "$folder" && make_venv "$folder" || return 1
    fi
    install_locked "$folder" "$lock" && cp "$lock" "$folder/installed.new" &&
        mv "$folder/installed.new" "$folder/installed.txt"
}

# Prints the Python of the checkout's own environment for this machine.
own_python() {
    local device=cpu folder locks lock
    if command -v nvidia-smi >/dev/null && nvidia-smi -L >/dev/null 2>&1; then device=gpu; fi
    folder=$project_root/.venv-$device
    lock=$project_root/requirements/$device
    if [ -n "${also_needed:-}" ]; then locks=("$lock-dev.txt"); else locks=("$lock.txt" "$lock-dev.txt"); fi
    if ! is_set_up "$folder" "${locks[@]}"; then
        check_platform
        exec 9>"$folder.lock"
        wait_for_turn "$folder"
        if ! is_set_up "$folder" "${locks[@]}"; then
            set_up "$folder" "${locks[0]}" "$lock.txt" >&2 ||
                fail "$folder could not be set up; the next start tries again."
        fi
        exec 9>&-
    fi
    echo "$folder/bin/python"
}

# run_module MODULE ARGUMENTS...: replaces this shell. -P: a dgm_tf in the working directory is not ours.
run_module() {
    local python
    python=$(active_python) || python=$(own_python) || exit 1
    PYTHONPATH=$project_root${PYTHONPATH:+:$PYTHONPATH} exec "$python" -P -m "$@"
}
