"""What Spark lacks for ``format("cloudFiles")``: a column that is there when named.

A Python source has no hidden columns. A Java source of the same name, which Spark takes
first, extends Spark's own class for Python sources by one: ``_metadata``. It also has
the options checked at ``load``, and adds the column for rescued data to a schema that
lacks it. Without its jar on the class path all of this is as for any Python source.
"""

from __future__ import annotations

from sluice.spark.setup.java_classes import JavaClasses

SOURCE_CLASSES = JavaClasses(
    name="source",
    classes=(
        "CloudFilesSource",
        "CloudFilesTable",
        "CloudFilesScanBuilder",
        "FileMetadata",
    ),
    locks=(),
    purpose="it makes `_metadata` of cloudFiles a hidden column",
    set_up="run `make setup`",
    services={
        "org.apache.spark.sql.sources.DataSourceRegister": "sluice.source."
        "CloudFilesSource"
    },
)
