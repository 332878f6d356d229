"""Spark on S3: jars of its own, settings, and classes that let one writer win.

Delta and Spark's streaming take object storage for a disk: they look whether a file is
there and write it then, so of two drivers the later one replaces what the other wrote.
S3 can refuse a second write by itself. ``Conditional*.java`` ask it to, for
each commit of a table and each file of a checkpoint.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from sluice.spark.setup.jars import LOCK, require_jars
from sluice.spark.setup.java_classes import JavaClasses

S3_LOCK = Path(__file__).with_name("jars-s3.lock")
SET_UP = "run `make s3-jars`"
S3_CLASSES = JavaClasses(
    name="s3",
    classes=(
        "ConditionalCheckpointFileManager",
        "ConditionalLogStore",
        "ConditionalStream",
    ),
    locks=(LOCK, S3_LOCK),
    purpose="it makes commits on S3 exclusive",
    set_up=SET_UP,
)

S3_LOG_STORE = "sluice.s3.ConditionalLogStore"

_S3A = "org.apache.hadoop.fs.s3a"
_DEFAULT_REGION = "us-east-1"
_SETTINGS = {
    # Locations are spelled s3://, for every reader and writer.
    "spark.hadoop.fs.s3.impl": f"{_S3A}.S3AFileSystem",
    "spark.hadoop.fs.AbstractFileSystem.s3.impl": f"{_S3A}.S3A",
    "spark.hadoop.fs.s3a.create.conditional.enabled": "true",
    # The default reads ahead for large tables, and asks more of a server than S3.
    "spark.hadoop.fs.s3a.input.stream.type": "classic",
    "spark.delta.logStore.s3.impl": S3_LOG_STORE,
    "spark.delta.logStore.s3a.impl": S3_LOG_STORE,
    "spark.sql.streaming.checkpointFileManagerClass": (
        "sluice.s3.ConditionalCheckpointFileManager"
    ),
}


def is_on_s3(locations: Iterable[str]) -> bool:
    """Return True if one of these normalized ``locations`` is on S3."""
    return any(location.startswith("s3://") for location in locations)


def s3_settings(jars: Sequence[Path], environ: Mapping[str, str]) -> dict[str, str]:
    """Return the settings of a Spark that reads and writes S3.

    Server and region are those of the ``AWS_…`` variables that delta-rs and obstore
    read. Keys are left to the variables: settings show on command lines.
    """
    return {
        "spark.jars": ",".join(map(str, jars)),
        **_SETTINGS,
        **_server_settings(environ),
    }


def _server_settings(environ: Mapping[str, str]) -> dict[str, str]:
    endpoint = environ.get("AWS_ENDPOINT_URL")
    region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION")
    found = {}
    if endpoint:
        virtual = environ.get("AWS_VIRTUAL_HOSTED_STYLE_REQUEST", "").lower()
        path_style = "false" if virtual in {"true", "1"} else "true"
        found["spark.hadoop.fs.s3a.endpoint"] = endpoint
        found["spark.hadoop.fs.s3a.path.style.access"] = path_style
        region = region or _DEFAULT_REGION
    if region:
        found["spark.hadoop.fs.s3a.endpoint.region"] = region
    return found


def require_s3_jars() -> tuple[Path, ...]:
    """Return the jars for S3, or raise naming each one that is missing or changed."""
    return (*require_jars(S3_LOCK, SET_UP), S3_CLASSES.require())
