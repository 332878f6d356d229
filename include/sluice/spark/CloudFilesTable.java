package sluice.source;

import java.util.Arrays;
import org.apache.spark.sql.connector.catalog.MetadataColumn;
import org.apache.spark.sql.connector.catalog.SupportsMetadataColumns;
import org.apache.spark.sql.connector.read.Scan;
import org.apache.spark.sql.connector.read.ScanBuilder;
import org.apache.spark.sql.execution.datasources.v2.python.PythonTable;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.sql.util.CaseInsensitiveStringMap;

/** A landing folder in one schema; {@code _metadata} is there for a query that names it. */
final class CloudFilesTable extends PythonTable implements SupportsMetadataColumns {

  private final CloudFilesSource source;

  CloudFilesTable(CloudFilesSource source, StructType schema) {
    super(source, CloudFilesSource.NAME, schema);
    this.source = source;
  }

  static boolean has(StructType schema, String column) {
    return Arrays.asList(schema.fieldNames()).contains(column);
  }

  @Override
  public MetadataColumn[] metadataColumns() {
    return new MetadataColumn[] {new FileMetadata()};
  }

  @Override
  public ScanBuilder newScanBuilder(CaseInsensitiveStringMap options) {
    return new CloudFilesScanBuilder(this, options);
  }

  /** Return a scan of all columns but the hidden one. */
  Scan narrow(CaseInsensitiveStringMap options) {
    return new CloudFilesScan(source, schema(), options);
  }

  /** Return a scan of all columns and the hidden one. */
  Scan wide(CaseInsensitiveStringMap options) {
    StructType wider = schema().add(FileMetadata.NAME, FileMetadata.TYPE);
    return new CloudFilesScan(source.forOtherSchema(), wider, options);
  }
}
