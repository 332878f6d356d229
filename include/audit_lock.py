"""Ask if packages of the lock have known weaknesses: ``make audit-lock``.

It runs where ``pip-audit`` is, which the project does not need.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).parents[1]
# As of every command: a finding is 65, what may be there the next time 75.
FOUND, UNREACHABLE = 65, 75


def main() -> int:
    """Run pip-audit on the lock, print what it found and return the exit code."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pip_audit", "--format", "json"),
            *("--requirement", str(_ROOT / "requirements.lock")),
            *("--disable-pip", "--require-hashes", "--progress-spinner", "off"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    code, text = judge(done.stdout, done.stderr)
    sys.stderr.write(f"audit-lock: {text}\n")
    return code


def judge(report: str, errors: str) -> tuple[int, str]:
    """Return exit code and message; an audit that asked in vain found nothing out.

    ``report`` is pip-audit's JSON, which leaves out no package that it could not ask
    about and ends well all the same. Without a report ``errors`` says why.
    """
    if not report.strip():
        reason = (errors.strip().splitlines() or ["it ended without a word"])[-1]
        return UNREACHABLE, f"nothing was audited: {reason}"
    packages = json.loads(report)["dependencies"]
    skipped = [each["name"] for each in packages if "skip_reason" in each]
    found = [
        f"{each['name']} {each['version']}: {weakness['id']}, mended in "
        f"{', '.join(weakness['fix_versions']) or 'no version yet'}"
        for each in packages
        for weakness in each.get("vulns", ())
    ]
    asked = f"{len(packages) - len(skipped)} of {len(packages)} packages were audited"
    if found:
        return FOUND, "\n".join([asked, *found])
    if skipped or not packages:
        return UNREACHABLE, (
            f"{asked}, no data could be had of the others, such as {skipped[:3]}: look "
            "at the network, or try again later"
        )
    return 0, f"{asked}, no weakness is known"


if __name__ == "__main__":
    sys.exit(main())
