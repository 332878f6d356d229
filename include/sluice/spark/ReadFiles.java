package sluice.source;

import org.apache.spark.sql.SparkSessionExtensions;
import org.apache.spark.sql.SparkSessionExtensionsProvider;
import org.apache.spark.sql.catalyst.FunctionIdentifier;
import org.apache.spark.sql.catalyst.InternalRow;
import org.apache.spark.sql.catalyst.expressions.Expression;
import org.apache.spark.sql.catalyst.expressions.ExpressionInfo;
import org.apache.spark.sql.catalyst.expressions.NamedArgumentExpression;
import org.apache.spark.sql.catalyst.plans.logical.UnresolvedDataSource;
import org.apache.spark.sql.catalyst.util.CaseInsensitiveMap;
import org.apache.spark.sql.types.StructType;
import scala.Option;
import scala.Tuple3;
import scala.collection.Iterator;
import scala.collection.immutable.HashMap;
import scala.collection.immutable.Nil$;
import scala.collection.immutable.Seq;
import scala.runtime.AbstractFunction1;
import scala.runtime.BoxedUnit;

/**
 * The table function {@code STREAM read_files(path, name => value, …)}, as Databricks has it.
 *
 * <p>It is a stream of {@code cloudFiles}; Python gives the names of options their prefix.
 */
public final class ReadFiles extends AbstractFunction1 implements SparkSessionExtensionsProvider {

  private static final String NAME = "read_files";
  private static final String SCHEMA = "schema";
  private static final String IS_SQL = "sluice.readFiles";

  @Override
  public Object apply(Object extensions) {
    FunctionIdentifier name = new FunctionIdentifier(NAME);
    ExpressionInfo info = new ExpressionInfo(ReadFiles.class.getName(), NAME);
    ((SparkSessionExtensions) extensions)
        .injectTableFunction(new Tuple3(name, info, new StreamOfFiles()));
    return BoxedUnit.UNIT;
  }

  /** From the arguments to the stream. */
  private static final class StreamOfFiles extends AbstractFunction1 {
    @Override
    public Object apply(Object arguments) {
      CaseInsensitiveMap options = new CaseInsensitiveMap(new HashMap());
      Iterator each = ((Seq) arguments).iterator();
      while (each.hasNext()) {
        Expression argument = (Expression) each.next();
        String name = name(argument);
        if (options.contains(name)) {
          throw new IllegalArgumentException(
              NAME + ": '" + name + "' is given twice; name all arguments but the path");
        }
        options = (CaseInsensitiveMap) options.updated(name, text(name, argument));
      }
      Option ddl = options.get(SCHEMA);
      return new UnresolvedDataSource(
          CloudFilesSource.NAME,
          ddl.isEmpty() ? ddl : Option.apply(StructType.fromDDL((String) ddl.get())),
          (CaseInsensitiveMap) ((CaseInsensitiveMap) options.removed(SCHEMA)).updated(IS_SQL, "true"),
          true,
          (Seq) Nil$.MODULE$);
    }

    private static String name(Expression argument) {
      String name =
          argument instanceof NamedArgumentExpression
              ? ((NamedArgumentExpression) argument).key()
              : "path";
      // Delta takes this option of any stream for its own, and refuses where it leads.
      return name.equalsIgnoreCase("schemaLocation") ? "cloudFiles.schemaLocation" : name;
    }

    private static String text(String name, Expression argument) {
      Expression value =
          argument instanceof NamedArgumentExpression
              ? ((NamedArgumentExpression) argument).value()
              : argument;
      Object found = value.foldable() ? value.eval(InternalRow.empty()) : null;
      if (found == null) {
        throw new IllegalArgumentException(
            NAME + ": '" + name + "' must be a constant that is not null, got " + value.sql());
      }
      return found.toString();
    }
  }
}
