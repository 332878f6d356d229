"""Build the S3 server of the tests by Go; Python's own library is all that it needs.

``python3 tests/support/s3_build.py`` leaves no program, but Go keeps what it compiled:
set-up keeps one core busy, and the tests then wait for no more than the last step.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile

VERSION = "v1.8.0"
PACKAGE = f"github.com/versity/versitygw/cmd/versitygw@{VERSION}"
# Nothing is optimised, and nothing added for debuggers: a third less work for Go.
QUICK_BUILD = ("-gcflags=all=-N -l -dwarf=false", "-ldflags=-s -w")


def has_go() -> bool:
    """Return True if the server can be built here."""
    return shutil.which("go") is not None


def build_server(folder: str) -> int:
    """Build ``versitygw`` into ``folder``, which takes a minute; return Go's code."""
    environment = os.environ | {"GOBIN": folder, "CGO_ENABLED": "0"}
    command = ["go", "install", *QUICK_BUILD, PACKAGE]
    return subprocess.run(command, env=environment, check=False).returncode


def main() -> int:
    """Let Go compile beforehand; what is wrong, the tests that need it will say."""
    if has_go():
        with tempfile.TemporaryDirectory() as folder:
            build_server(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
