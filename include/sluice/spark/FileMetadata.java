package sluice.source;

import org.apache.spark.sql.connector.catalog.MetadataColumn;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.StructType;

/** The hidden column {@code _metadata}: the file that a row came from. */
final class FileMetadata implements MetadataColumn {

  static final String NAME = "_metadata";
  static final StructType TYPE = StructType.fromDDL(
      "file_path STRING, file_name STRING, file_size BIGINT, file_block_start BIGINT, "
          + "file_block_length BIGINT, file_modification_time TIMESTAMP");

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public DataType dataType() {
    return TYPE;
  }
}
