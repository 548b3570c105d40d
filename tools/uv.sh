# Finds uv, or brings it into .tools. Prints the command.
# A shim of a version manager may stand on the PATH and not work: only an answer counts.
set -eu
if uv --version >/dev/null 2>&1; then
    echo uv
    exit
fi
if [ ! -x .tools/bin/uv ]; then
    # Debian's python3 may come without venv; pip can then still install into a folder.
    if python3 -m venv .tools >/dev/null 2>&1; then
        .tools/bin/python -m pip install --quiet --disable-pip-version-check uv >&2
    else
        rm -rf .tools
        if ! python3 -m pip install --quiet --disable-pip-version-check --target .tools uv >&2; then
            echo "uv is missing and could not be installed: install it, or python3-venv, and try again." >&2
            exit 1
        fi
    fi
fi
echo .tools/bin/uv
