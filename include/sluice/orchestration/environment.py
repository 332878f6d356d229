"""Which variables of a task's environment reach the job that it submits.

A job runs what a pipeline file says, and its driver and workers hand their environment
on. That of an Airflow task has the keys with which Airflow signs and encrypts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

PASSED = "SLUICE_SUBMIT_ENVIRONMENT"
"""The variable that names others which a job gets: names, ``*`` for any ending."""
_NAMES = """
    CI HOME HOSTNAME KRB5* LANG LANGUAGE LC_* LD_LIBRARY_PATH LOGNAME PATH SHELL
    SPT_NOENV TEMP TERM TMP TMPDIR TZ USER VIRTUAL_ENV
    DYLD_* LD_PRELOAD NSS_WRAPPER_* _JAVA_OPTIONS JAVA_* JDK_*
    MALLOC_* OMP_* PYSPARK_* PYTHON* SPARK_* HADOOP_* YARN_*
    HIVE_CONF_DIR IDENTITY_* MSI_* CLOUDSDK_CONFIG
    AWS_* AZURE_* GOOGLE_* KUBERNETES_* ARROW_* RUST_*
    ALL_PROXY FTP_PROXY HTTP_PROXY HTTPS_PROXY NO_PROXY
    CURL_CA_BUNDLE REQUESTS_CA_BUNDLE SSL_CERT_DIR SSL_CERT_FILE
    SLUICE_GROUP SLUICE_LAKE SLUICE_PIPELINES SLUICE_RUN SLUICE_SPARK_PIPELINES
    SLUICE_SPARK_SECRET SLUICE_SPARK_SECRET_FILE SLUICE_STACKS SLUICE_SUBMIT*
"""


def withheld(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that a job does not get, each empty.

    The provider adds to the environment of its process and takes nothing away.
    """
    wanted = f"{_NAMES} {environ.get(PASSED, '').replace(',', ' ')}".split()
    parts = (re.escape(each).replace(r"\*", ".*") for each in wanted)
    is_passed = re.compile("|".join(parts), re.IGNORECASE).fullmatch
    return {name: "" for name in environ if not is_passed(name)}
