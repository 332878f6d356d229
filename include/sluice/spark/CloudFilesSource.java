package sluice.source;

import java.util.HashMap;
import java.util.Map;
import org.apache.spark.sql.connector.catalog.Table;
import org.apache.spark.sql.connector.expressions.Transform;
import org.apache.spark.sql.execution.datasources.v2.python.PythonDataSourceCreationResult;
import org.apache.spark.sql.execution.datasources.v2.python.PythonDataSourceV2;
import org.apache.spark.sql.sources.DataSourceRegister;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.sql.util.CaseInsensitiveStringMap;
import scala.Option;

/**
 * The format {@code cloudFiles}: Spark's Python source of that name, with a hidden column.
 *
 * <p>Spark takes a Java source before a Python source of the same name. Python does all that it
 * does without this class, but to add {@code _metadata} to an inferred schema.
 */
public final class CloudFilesSource extends PythonDataSourceV2 implements DataSourceRegister {

  static final String NAME = "cloudFiles";

  private static final String METADATA_COLUMN = "sluice.metadataColumn";
  private static final String GIVEN_SCHEMA = "sluice.givenSchema";
  private static final String CHECKS_TYPES = "sluice.checksTypes";
  private static final String SHARES_METADATA = "sluice.sharesMetadata";
  private static final String[] RESCUED_COLUMN = {
    "rescuedDataColumn", "cloudFiles.rescuedDataColumn"
  };

  /** The source whose Python side this one shares; null where it has its own. */
  private final CloudFilesSource origin;

  public CloudFilesSource() {
    this(null);
  }

  private CloudFilesSource(CloudFilesSource origin) {
    this.origin = origin;
  }

  /** Return a source for another schema: each keeps what Python planned for one schema. */
  CloudFilesSource forOtherSchema() {
    CloudFilesSource other = new CloudFilesSource(this);
    other.setShortName(NAME);
    return other;
  }

  @Override
  public String shortName() {
    return NAME;
  }

  @Override
  public PythonDataSourceCreationResult getOrCreateDataSourceInPython(
      String name, CaseInsensitiveStringMap options, Option schema) {
    return origin == null
        ? super.getOrCreateDataSourceInPython(name, withOwn(options), schema)
        : origin.getOrCreateDataSourceInPython(name, options, schema);
  }

  @Override
  public Table getTable(StructType schema, Transform[] partitioning, Map properties) {
    CaseInsensitiveStringMap options = new CaseInsensitiveStringMap(properties);
    // Python checks options and schema here. Where the schema is given Spark would ask it at the
    // start of a query only, which gets what is made here.
    getOrCreateDataSourceInPython(
        NAME, with(options, GIVEN_SCHEMA, schema.json()), Option.apply(schema));
    return new CloudFilesTable(this, withRescued(schema, options));
  }

  /**
   * Return {@code options} so that Python adds no ordinary column, unless asked to, and knows that
   * {@link WideningCheck} and {@link ColumnsReader} are there.
   */
  private static CaseInsensitiveStringMap withOwn(CaseInsensitiveStringMap options) {
    CaseInsensitiveStringMap all = with(options, CHECKS_TYPES, "true");
    if (ColumnsFactory.isOnExecutors()) {
      all = with(all, SHARES_METADATA, "true");
    }
    return options.containsKey(METADATA_COLUMN) ? all : with(all, METADATA_COLUMN, "false");
  }

  private static CaseInsensitiveStringMap with(
      CaseInsensitiveStringMap options, String name, String value) {
    Map all = new HashMap(options.asCaseSensitiveMap());
    all.put(name, value);
    return new CaseInsensitiveStringMap(all);
  }

  /** Return {@code schema} with the column for rescued data that {@code options} name. */
  private static StructType withRescued(StructType schema, CaseInsensitiveStringMap options) {
    for (int i = 0; i < RESCUED_COLUMN.length; i++) {
      String column = options.get(RESCUED_COLUMN[i]);
      if (column != null && !CloudFilesTable.has(schema, column)) {
        return schema.add(column, DataTypes.StringType);
      }
    }
    return schema;
  }
}
