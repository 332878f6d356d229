package sluice.source;

import org.apache.spark.TaskContext;
import org.apache.spark.api.python.ChainedPythonFunctions;
import org.apache.spark.api.python.PythonEvalType;
import org.apache.spark.sql.catalyst.InternalRow;
import org.apache.spark.sql.catalyst.expressions.GenericInternalRow;
import org.apache.spark.sql.connector.metric.CustomTaskMetric;
import org.apache.spark.sql.connector.read.PartitionReader;
import org.apache.spark.sql.execution.datasources.v2.python.PythonCustomMetric;
import org.apache.spark.sql.execution.datasources.v2.python.UserDefinedPythonDataSource;
import org.apache.spark.sql.execution.python.ArrowPythonRunner;
import org.apache.spark.sql.internal.SQLConf;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.sql.vectorized.ArrowColumnVector;
import org.apache.spark.sql.vectorized.ColumnVector;
import org.apache.spark.sql.vectorized.ColumnarBatch;
import org.apache.spark.util.AccumulatorV2;
import scala.Option;
import scala.Tuple2;
import scala.collection.Iterator;
import scala.collection.Iterator$;
import scala.collection.immutable.HashMap;
import scala.collection.immutable.Map;
import scala.collection.immutable.Nil$;
import scala.collection.immutable.Seq;

/**
 * What one task reads: the batches that Python yields, as they are.
 *
 * <p>Spark's own reader makes a row of each of their rows, which generated code copies again. In
 * {@code _metadata} Python leaves out what is as in the row before: most rows would bring more of
 * it than of their own data.
 */
final class ColumnsReader implements PartitionReader {

  private final UserDefinedPythonDataSource source;
  private final int columns;
  private final int metadata;
  private final Map metrics;
  private final Iterator batches;
  /** The struct of the last row that had one. */
  private InternalRow file;

  ColumnsReader(
      UserDefinedPythonDataSource source, byte[] function, StructType schema, byte[] slices) {
    this.source = source;
    this.columns = schema.length();
    this.metadata = java.util.Arrays.asList(schema.fieldNames()).indexOf(FileMetadata.NAME);
    this.metrics = PythonCustomMetric.pythonMetrics();
    SQLConf conf = SQLConf.get();
    Seq chain = list(source.createPythonFunction(function));
    ArrowPythonRunner python = new ArrowPythonRunner(
        list(new Tuple2(new ChainedPythonFunctions(chain), Long.valueOf(0))),
        PythonEvalType.SQL_MAP_ARROW_ITER_UDF(),
        new int[][] {{0}},
        new StructType().add("struct", UserDefinedPythonDataSource.readInputSchema()),
        conf.sessionLocalTimeZone(),
        conf.arrowUseLargeVarTypes(),
        ArrowPythonRunner.getPythonRunnerConfMap(conf),
        metrics,
        Option.empty(),
        Option.empty());
    TaskContext task = TaskContext.get();
    Iterator input = one(one(row(row(slices))));
    this.batches = python.compute(input, task.partitionId(), task);
  }

  @Override
  public boolean next() {
    return batches.hasNext();
  }

  @Override
  public Object get() {
    ColumnarBatch found = (ColumnarBatch) batches.next();
    ArrowColumnVector all = (ArrowColumnVector) found.column(0);
    ColumnVector[] vectors = new ColumnVector[columns];
    for (int i = 0; i < columns; i++) {
      vectors[i] = i == metadata ? expanded(all.getChild(i), found.numRows()) : all.getChild(i);
    }
    return new Kept(vectors, found.numRows());
  }

  /** Return {@code structs} where a null is the one before, which an earlier batch may have. */
  private ColumnVector expanded(ColumnVector structs, int count) {
    InternalRow[] rows = new InternalRow[count];
    for (int i = 0; i < count; i++) {
      if (!structs.isNullAt(i)) {
        file = structs.getStruct(i).copy();
      }
      rows[i] = file;
    }
    return new RunsVector((StructType) structs.dataType(), rows);
  }

  @Override
  public CustomTaskMetric[] currentMetricsValues() {
    HashMap values = new HashMap();
    Iterator each = metrics.iterator();
    while (each.hasNext()) {
      Tuple2 metric = (Tuple2) each.next();
      values = values.updated(metric._1(), ((AccumulatorV2) metric._2()).value());
    }
    return source.createPythonTaskMetrics(values);
  }

  @Override
  public void close() {}

  /**
   * A batch that leaves its vectors open: the next one is loaded into them. Generated code closes
   * what it has read, and a closed struct has lost its fields.
   */
  private static final class Kept extends ColumnarBatch {

    private Kept(ColumnVector[] vectors, int rows) {
      super(vectors, rows);
    }

    @Override
    public void closeIfFreeable() {}
  }

  private static GenericInternalRow row(Object value) {
    return new GenericInternalRow(new Object[] {value});
  }

  private static Iterator one(Object value) {
    return Iterator$.MODULE$.single(value);
  }

  private static Seq list(Object value) {
    return ((scala.collection.immutable.List) Nil$.MODULE$).$colon$colon(value);
  }
}
