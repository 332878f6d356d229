package sluice.source;

import java.io.File;
import org.apache.spark.SparkContext;
import org.apache.spark.sql.catalyst.InternalRow;
import org.apache.spark.sql.connector.read.InputPartition;
import org.apache.spark.sql.connector.read.PartitionReader;
import org.apache.spark.sql.connector.read.PartitionReaderFactory;
import org.apache.spark.sql.execution.datasources.v2.python.PythonStreamingInputPartition;
import org.apache.spark.sql.execution.datasources.v2.python.UserDefinedPythonDataSource;
import org.apache.spark.sql.types.StructType;

/** Makes the readers of a stream's tasks: it goes to the executors, which must have the jar. */
final class ColumnsFactory implements PartitionReaderFactory {

  private final UserDefinedPythonDataSource source;
  private final byte[] function;
  private final StructType schema;

  ColumnsFactory(UserDefinedPythonDataSource source, byte[] function, StructType schema) {
    this.source = source;
    this.function = function;
    this.schema = schema;
  }

  /** Return true where executors should have this class: by the settings of their class path. */
  static boolean isOnExecutors() {
    SparkContext spark = SparkContext.getOrCreate();
    if (spark.isLocal()) {
      return true;
    }
    String jar = new File(
        ColumnsFactory.class.getProtectionDomain().getCodeSource().getLocation().getPath()).getName();
    return spark.getConf().get("spark.executor.extraClassPath", "").contains(jar)
        || spark.listJars().mkString(" ").contains(jar);
  }

  @Override
  public boolean supportColumnarReads(InputPartition partition) {
    return true;
  }

  @Override
  public PartitionReader createColumnarReader(InputPartition partition) {
    byte[] slices = ((PythonStreamingInputPartition) partition).pickedPartition();
    return new ColumnsReader(source, function, schema, slices);
  }

  @Override
  public PartitionReader createReader(InputPartition partition) {
    throw new UnsupportedOperationException("rows come as columns");
  }
}
