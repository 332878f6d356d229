package sluice.source;

import java.util.Arrays;
import org.apache.spark.sql.connector.catalog.MetadataColumn;
import org.apache.spark.sql.connector.catalog.SupportsMetadataColumns;
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

  /** Return Spark's own builder, of a scan of all columns but the hidden one. */
  ScanBuilder narrow(CaseInsensitiveStringMap options) {
    return super.newScanBuilder(options);
  }

  /** Return Spark's own builder, of a scan of all columns and the hidden one. */
  ScanBuilder wide(CaseInsensitiveStringMap options) {
    StructType wider = schema().add(FileMetadata.NAME, FileMetadata.TYPE);
    return new PythonTable(source.forOtherSchema(), CloudFilesSource.NAME, wider)
        .newScanBuilder(options);
  }
}
