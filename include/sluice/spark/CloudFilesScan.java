package sluice.source;

import org.apache.spark.sql.connector.read.PartitionReaderFactory;
import org.apache.spark.sql.connector.read.Scan;
import org.apache.spark.sql.connector.read.streaming.MicroBatchStream;
import org.apache.spark.sql.execution.datasources.v2.python.PythonMicroBatchStream;
import org.apache.spark.sql.execution.datasources.v2.python.PythonMicroBatchStreamWithTriggerAvailableNow;
import org.apache.spark.sql.execution.datasources.v2.python.PythonScan;
import org.apache.spark.sql.execution.python.streaming.PythonStreamingSourceRunner;
import org.apache.spark.sql.sources.Filter;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.sql.util.CaseInsensitiveStringMap;

/** A scan whose rows go to Spark's generated code as Python's columns, not one by one. */
final class CloudFilesScan extends PythonScan {

  private final CloudFilesSource source;
  private final StructType schema;
  private final CaseInsensitiveStringMap options;

  CloudFilesScan(CloudFilesSource source, StructType schema, CaseInsensitiveStringMap options) {
    super(source, CloudFilesSource.NAME, schema, options, new Filter[0]);
    this.source = source;
    this.schema = schema;
    this.options = options;
  }

  @Override
  public Scan.ColumnarSupportMode columnarSupportMode() {
    return ColumnsFactory.isOnExecutors()
        ? Scan.ColumnarSupportMode.SUPPORTED
        : Scan.ColumnarSupportMode.UNSUPPORTED;
  }

  @Override
  public MicroBatchStream toMicroBatchStream(String checkpoint) {
    PythonStreamingSourceRunner python = PythonMicroBatchStream.createPythonStreamingSourceRunner(
        source, CloudFilesSource.NAME, schema, options);
    python.init();
    return new Stream(source, schema, options, python);
  }

  /** Spark's own stream of a Python source, but for how its tasks read. */
  private static final class Stream extends PythonMicroBatchStreamWithTriggerAvailableNow {

    private final CloudFilesSource source;
    private final StructType schema;
    private final CaseInsensitiveStringMap options;

    private Stream(
        CloudFilesSource source,
        StructType schema,
        CaseInsensitiveStringMap options,
        PythonStreamingSourceRunner python) {
      super(source, CloudFilesSource.NAME, schema, options, python);
      this.source = source;
      this.schema = schema;
      this.options = options;
    }

    @Override
    public PartitionReaderFactory createReaderFactory() {
      if (!ColumnsFactory.isOnExecutors()) {
        return super.createReaderFactory();
      }
      byte[] function =
          source.getOrCreateReadInfo(CloudFilesSource.NAME, options, schema, true).func();
      return new ColumnsFactory(source.source(), function, schema);
    }
  }
}
