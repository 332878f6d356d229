package sluice.source;

import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.catalyst.TableIdentifier;
import org.apache.spark.sql.catalyst.catalog.CatalogTable;
import org.apache.spark.sql.delta.DeltaLog;
import org.apache.spark.sql.delta.Snapshot;
import org.apache.spark.sql.delta.TypeWidening;
import org.apache.spark.sql.delta.UniversalFormat;
import org.apache.spark.sql.delta.sources.DeltaSink;
import org.apache.spark.sql.internal.SQLConf;
import org.apache.spark.sql.types.ArrayType;
import org.apache.spark.sql.types.AtomicType;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.MapType;
import org.apache.spark.sql.types.StringType;
import org.apache.spark.sql.types.StructField;
import org.apache.spark.sql.types.StructType;
import scala.Option;

/** Holds the types of rows against those of the Delta table that gets them. */
final class TableTypes {

  private static final String SCOPE =
      "spark.databricks.delta.typeWidening.allowAutomaticWidening";

  private final DeltaSink sink;
  private final Snapshot table;

  private TableTypes(DeltaSink sink, Snapshot table) {
    this.sink = sink;
    this.table = table;
  }

  /** Refuse {@code rows} for a Delta sink whose table would get other values than they have. */
  static void require(Object sink, StructType rows) {
    DeltaSink delta = (DeltaSink) sink;
    DeltaLog log = DeltaLog.forTable(
        (SparkSession) SparkSession.active(), delta.path(), delta.options().options());
    Snapshot table = log.update(false, Option.empty(), Option.empty());
    if (table.version() >= 0L) {
      new TableTypes(delta, table).requireFields("", table.metadata().schema(), rows);
    }
  }

  private void requireFields(String inside, StructType known, StructType read) {
    StructField[] mine = known.fields();
    for (int i = 0; i < read.fields().length; i++) {
      StructField field = read.fields()[i];
      for (int j = 0; j < mine.length; j++) {
        // Delta compares names in any case.
        if (mine[j].name().equalsIgnoreCase(field.name())) {
          requireType(inside + field.name(), mine[j].dataType(), field.dataType());
        }
      }
    }
  }

  private void requireType(String name, DataType known, DataType read) {
    if (known instanceof StructType && read instanceof StructType) {
      requireFields(name + ".", (StructType) known, (StructType) read);
    } else if (known instanceof ArrayType && read instanceof ArrayType) {
      requireType(
          name + ".element",
          ((ArrayType) known).elementType(),
          ((ArrayType) read).elementType());
    } else if (known instanceof MapType && read instanceof MapType) {
      requireType(name + ".key", ((MapType) known).keyType(), ((MapType) read).keyType());
      requireType(name + ".value", ((MapType) known).valueType(), ((MapType) read).valueType());
    } else if (known instanceof AtomicType && read instanceof AtomicType) {
      requireAtoms(name, (AtomicType) known, (AtomicType) read);
    }
  }

  /** What is nested on one side alone Delta refuses by itself. */
  private void requireAtoms(String name, AtomicType known, AtomicType read) {
    boolean isHeld = known.equals(read)
        || known instanceof StringType
        || TypeWidening.isTypeChangeSupported(read, known);
    boolean canWiden = canWiden(known, read);
    boolean isEnabled = TypeWidening.isEnabled(table.protocol(), table.metadata());
    if (isHeld || (canWiden && isEnabled && sink.canMergeSchema())) {
      return;
    }
    // Python knows our errors by this form.
    throw new IllegalArgumentException(
        "sluice.errors.UsageError: [SCHEMA_UNSUPPORTED] table " + tableName() + " has column '"
            + name + "' as " + known.sql() + ", and the stream, which widens its columns, has "
            + "it as " + read.sql() + ": values would be cut short without a word; "
            + remedy(canWiden, isEnabled));
  }

  /** Return true if Delta widens a column so by itself, as far as the session lets it. */
  private boolean canWiden(AtomicType known, AtomicType read) {
    boolean isIceberg = UniversalFormat.icebergEnabled(table.metadata());
    String scope = SQLConf.get().getConfString(SCOPE, "always");
    return "always".equalsIgnoreCase(scope)
        ? TypeWidening.isTypeChangeSupported(known, read, isIceberg)
        : "same_family_type".equalsIgnoreCase(scope)
            && TypeWidening.isTypeChangeSupportedForSchemaEvolution(known, read, isIceberg);
  }

  private String remedy(boolean canWiden, boolean isEnabled) {
    if (!canWiden) {
      return "cast the column in the query, or change the table's type first";
    }
    String merge = "write with the option mergeSchema = true, and start the query again";
    return isEnabled
        ? merge
        : "run ALTER TABLE " + tableName()
            + " SET TBLPROPERTIES ('delta.enableTypeWidening' = 'true'), " + merge;
  }

  private String tableName() {
    Option known = sink.catalogTable();
    return known.isEmpty()
        ? "delta.`" + sink.path() + "`"
        : ((TableIdentifier) ((CatalogTable) known.get()).identifier()).quotedString();
  }
}
