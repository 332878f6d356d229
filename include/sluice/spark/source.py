"""What Spark lacks for ``format("cloudFiles")``: a hidden column, and a name in SQL.

A Python source has no hidden columns. A Java source of the same name, which Spark takes
first, extends Spark's own class for Python sources by one: ``_metadata``. It also has
the options checked at ``load``, and adds the column for rescued data to a schema that
lacks it. A rule gives ``input_file_name()`` the path, and ``STREAM read_files(…)`` is
the stream in SQL. A check holds a stream that widens its columns against its Delta
table. Without the jar on the class path all of this is as for any Python
source.
"""

from __future__ import annotations

from sluice.spark.setup.jars import LOCK
from sluice.spark.setup.java_classes import JavaClasses

_SPARK = "org.apache.spark.sql"
SOURCE_CLASSES = JavaClasses(
    name="source",
    classes=(
        "CloudFilesSource",
        "CloudFilesTable",
        "CloudFilesScan",
        "CloudFilesScanBuilder",
        "ColumnsFactory",
        "ColumnsReader",
        "FileMetadata",
        "InputFileNames",
        "ReadFiles",
        "RunsVector",
        "TableTypes",
        "WideningCheck",
    ),
    locks=(LOCK,),
    purpose="it makes `_metadata` of cloudFiles a hidden column",
    set_up="run `make setup`",
    services={
        f"{_SPARK}.sources.DataSourceRegister": ("sluice.source.CloudFilesSource",),
        f"{_SPARK}.SparkSessionExtensionsProvider": (
            "sluice.source.InputFileNames",
            "sluice.source.ReadFiles",
            "sluice.source.WideningCheck",
        ),
    },
)
