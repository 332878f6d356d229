package sluice.source;

import java.util.Arrays;
import java.util.List;
import org.apache.spark.sql.SparkSessionExtensions;
import org.apache.spark.sql.SparkSessionExtensionsProvider;
import org.apache.spark.sql.catalyst.plans.logical.LogicalPlan;
import org.apache.spark.sql.execution.datasources.v2.StreamingDataSourceV2ScanRelation;
import org.apache.spark.sql.execution.streaming.sources.WriteToMicroBatchDataSourceV1;
import org.apache.spark.sql.util.CaseInsensitiveStringMap;
import scala.collection.Iterator;
import scala.runtime.AbstractFunction1;
import scala.runtime.BoxedUnit;

/**
 * Refuses a micro-batch of a stream that widens its columns where its Delta table does not follow.
 *
 * <p>Delta would cast each value to the type that the table has, 2.5 to 2. Spark checks the plan
 * of every micro-batch, which names the sink; of {@code foreachBatch} the plan does not say where rows go.
 */
public final class WideningCheck extends AbstractFunction1
    implements SparkSessionExtensionsProvider {

  private static final List MODE_OPTIONS = Arrays.asList(
      new String[] {"cloudFiles.schemaEvolutionMode", "schemaEvolutionMode"});
  private static final String WIDENS = "addNewColumnsWithTypeWidening";
  private static final String DELTA = "org.apache.spark.sql.delta.sources.DeltaSink";

  @Override
  public Object apply(Object extensions) {
    ((SparkSessionExtensions) extensions).injectCheckRule(new RuleOfSession());
    return BoxedUnit.UNIT;
  }

  /** Returns the rule of a session. */
  private static final class RuleOfSession extends AbstractFunction1 {
    @Override
    public Object apply(Object session) {
      return new PlanCheck();
    }
  }

  /** The rule, applied to every plan that Spark has analysed. */
  private static final class PlanCheck extends AbstractFunction1 {
    @Override
    public Object apply(Object plan) {
      if (plan instanceof WriteToMicroBatchDataSourceV1) {
        WriteToMicroBatchDataSourceV1 write = (WriteToMicroBatchDataSourceV1) plan;
        // By name: a session without Delta has no such class.
        boolean isDelta = write.sink().getClass().getName().equals(DELTA);
        if (isDelta && widens(write.query())) {
          TableTypes.require(write.sink(), write.query().schema());
        }
      }
      return BoxedUnit.UNIT;
    }
  }

  /** Return true if {@code query} reads a stream of ours that widens its columns. */
  private static boolean widens(LogicalPlan query) {
    Iterator leaves = query.collectLeaves().iterator();
    while (leaves.hasNext()) {
      Object leaf = leaves.next();
      if (leaf instanceof StreamingDataSourceV2ScanRelation) {
        StreamingDataSourceV2ScanRelation stream = (StreamingDataSourceV2ScanRelation) leaf;
        boolean isOurs = stream.relation().table() instanceof CloudFilesTable;
        if (isOurs && widens(stream.relation().options())) {
          return true;
        }
      }
    }
    return false;
  }

  private static boolean widens(CaseInsensitiveStringMap options) {
    for (int i = 0; i < MODE_OPTIONS.size(); i++) {
      if (WIDENS.equalsIgnoreCase(options.get((String) MODE_OPTIONS.get(i)))) {
        return true;
      }
    }
    return false;
  }
}
