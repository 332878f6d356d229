package sluice.source;

import org.apache.spark.sql.SparkSessionExtensions;
import org.apache.spark.sql.SparkSessionExtensionsProvider;
import org.apache.spark.sql.catalyst.expressions.Attribute;
import org.apache.spark.sql.catalyst.expressions.GetStructField;
import org.apache.spark.sql.catalyst.expressions.InputFileName;
import org.apache.spark.sql.catalyst.expressions.KnownNotNull;
import org.apache.spark.sql.catalyst.plans.logical.LogicalPlan;
import org.apache.spark.sql.catalyst.plans.logical.View;
import org.apache.spark.sql.catalyst.rules.Rule;
import org.apache.spark.sql.catalyst.trees.TreeNode;
import scala.Function1;
import scala.Option;
import scala.collection.Iterator;
import scala.runtime.AbstractFunction1;
import scala.runtime.AbstractPartialFunction;
import scala.runtime.BoxedUnit;

/**
 * Gives {@code input_file_name()} the path of the file, and SQL on a temporary view the column.
 *
 * <p>The function is empty for any Python source: it becomes {@code _metadata.file_path} where that
 * is hidden below. A view hides hidden columns, so one over a stream of ours is put aside, as
 * Spark does to every view after the analysis.
 */
public final class InputFileNames extends AbstractFunction1
    implements SparkSessionExtensionsProvider {

  @Override
  public Object apply(Object extensions) {
    ((SparkSessionExtensions) extensions).injectResolutionRule(new RuleOfSession());
    return BoxedUnit.UNIT;
  }

  /** Returns the rule of a session. */
  private static final class RuleOfSession extends AbstractFunction1 {
    @Override
    public Object apply(Object session) {
      return new PathRule();
    }
  }

  /** The rule, applied until a plan changes no more. */
  private static final class PathRule extends Rule {
    @Override
    public TreeNode apply(TreeNode plan) {
      return ((LogicalPlan) plan).resolveOperatorsUp(new Rewritten());
    }
  }

  /** A node that has one child, with the hidden column below. */
  private static final class Rewritten extends AbstractPartialFunction {
    @Override
    public boolean isDefinedAt(Object node) {
      return metadata((LogicalPlan) node) != null;
    }

    @Override
    public Object applyOrElse(Object node, Function1 otherwise) {
      LogicalPlan plan = (LogicalPlan) node;
      Attribute metadata = metadata(plan);
      if (metadata == null) {
        return otherwise.apply(node);
      }
      if (plan instanceof View && ((View) plan).isTempView()) {
        return ((View) plan).child();
      }
      return plan.transformExpressions(new Path(metadata));
    }

    /** Return the hidden column of the one stream of ours below {@code plan}, or null. */
    private static Attribute metadata(LogicalPlan plan) {
      if (plan.children().length() != 1) {
        return null;
      }
      LogicalPlan child = (LogicalPlan) plan.children().head();
      if (!child.resolved() || !child.isStreaming()) {
        return null;
      }
      Attribute found = null;
      Iterator hidden = child.metadataOutput().iterator();
      while (hidden.hasNext()) {
        Attribute each = (Attribute) hidden.next();
        // Spark's own files have another type under this name: none of its fields is nullable.
        if (each.name().equals(FileMetadata.NAME) && each.dataType().equals(FileMetadata.TYPE)) {
          if (found != null) {
            return null;
          }
          found = each;
        }
      }
      return found;
    }
  }

  /** The function as a field of {@code _metadata}; never null, as the function is. */
  private static final class Path extends AbstractPartialFunction {
    private final Attribute metadata;

    private Path(Attribute metadata) {
      this.metadata = metadata;
    }

    @Override
    public boolean isDefinedAt(Object expression) {
      return expression instanceof InputFileName;
    }

    @Override
    public Object applyOrElse(Object expression, Function1 otherwise) {
      return isDefinedAt(expression)
          ? new KnownNotNull(new GetStructField(metadata, 0, Option.apply("file_path")))
          : otherwise.apply(expression);
    }
  }
}
