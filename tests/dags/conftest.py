"""An Airflow home of its own for the tests that import Airflow."""

from __future__ import annotations

import os
import tempfile

_HOME = tempfile.TemporaryDirectory(prefix="sluice-airflow-")
# Airflow reads these when it is first imported, which is before any fixture runs.
os.environ["AIRFLOW_HOME"] = _HOME.name
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
