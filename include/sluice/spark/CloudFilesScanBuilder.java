package sluice.source;

import org.apache.spark.sql.connector.read.Scan;
import org.apache.spark.sql.connector.read.SupportsPushDownRequiredColumns;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.sql.util.CaseInsensitiveStringMap;

/**
 * Reads {@code _metadata} where the query names it.
 *
 * <p>Columns of the data are never left out: what a schema lacks is an unknown field to Python,
 * which would rescue it.
 */
final class CloudFilesScanBuilder implements SupportsPushDownRequiredColumns {

  private final CloudFilesTable table;
  private final CaseInsensitiveStringMap options;
  private boolean namesMetadata = false;

  CloudFilesScanBuilder(CloudFilesTable table, CaseInsensitiveStringMap options) {
    this.table = table;
    this.options = options;
  }

  @Override
  public void pruneColumns(StructType required) {
    namesMetadata = CloudFilesTable.has(required, FileMetadata.NAME)
        && !CloudFilesTable.has(table.schema(), FileMetadata.NAME);
  }

  @Override
  public Scan build() {
    return namesMetadata ? table.wide(options) : table.narrow(options);
  }
}
