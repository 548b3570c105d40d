# Finds uv, or installs it into .tools. Prints the command.
# A shim of a version manager may be on the PATH and not work: only its output counts.
set -eu
if uv --version >/dev/null 2>&1; then
    echo uv
    exit
fi
if [ ! -x .tools/bin/uv ]; then
    # On Debian, python3 may lack venv; pip can then still install into a folder.
    if python3 -m venv .tools >/dev/null 2>&1; then
        .tools/bin/python -m pip install --quiet --disable-pip-version-check uv >&2
    else
        rm -rf .tools
        if ! python3 -m pip install --quiet --disable-pip-version-check --target .tools uv >&2; then
            echo "uv could not be installed: install uv or python3-venv, and try again." >&2
            exit 1
        fi
    fi
fi
echo .tools/bin/uv
