package sluice.source;

import org.apache.spark.sql.catalyst.InternalRow;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.Decimal;
import org.apache.spark.sql.types.StructField;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.sql.vectorized.ColumnVector;
import org.apache.spark.sql.vectorized.ColumnarArray;
import org.apache.spark.sql.vectorized.ColumnarMap;
import org.apache.spark.unsafe.types.UTF8String;

/** A column of structs that many rows share, or a field of such a column. */
final class RunsVector extends ColumnVector {

  private final InternalRow[] structs;
  private final int field;
  private final RunsVector[] children;

  /** Make a column of {@code structs}, one for each row; none of them is null. */
  RunsVector(StructType type, InternalRow[] structs) {
    super(type);
    this.structs = structs;
    this.field = -1;
    StructField[] fields = type.fields();
    this.children = new RunsVector[fields.length];
    for (int i = 0; i < fields.length; i++) {
      children[i] = new RunsVector(fields[i].dataType(), structs, i);
    }
  }

  private RunsVector(DataType type, InternalRow[] structs, int field) {
    super(type);
    this.structs = structs;
    this.field = field;
    this.children = null;
  }

  @Override
  public ColumnVector getChild(int ordinal) {
    return children[ordinal];
  }

  @Override
  public boolean isNullAt(int row) {
    return field >= 0 && structs[row].isNullAt(field);
  }

  @Override
  public boolean hasNull() {
    return numNulls() > 0;
  }

  @Override
  public int numNulls() {
    int found = 0;
    for (int row = 0; row < structs.length; row++) {
      found += isNullAt(row) ? 1 : 0;
    }
    return found;
  }

  @Override
  public boolean getBoolean(int row) {
    return structs[row].getBoolean(field);
  }

  @Override
  public byte getByte(int row) {
    return structs[row].getByte(field);
  }

  @Override
  public short getShort(int row) {
    return structs[row].getShort(field);
  }

  @Override
  public int getInt(int row) {
    return structs[row].getInt(field);
  }

  @Override
  public long getLong(int row) {
    return structs[row].getLong(field);
  }

  @Override
  public float getFloat(int row) {
    return structs[row].getFloat(field);
  }

  @Override
  public double getDouble(int row) {
    return structs[row].getDouble(field);
  }

  @Override
  public Decimal getDecimal(int row, int precision, int scale) {
    return structs[row].getDecimal(field, precision, scale);
  }

  @Override
  public UTF8String getUTF8String(int row) {
    return structs[row].getUTF8String(field);
  }

  @Override
  public byte[] getBinary(int row) {
    return structs[row].getBinary(field);
  }

  @Override
  public ColumnarArray getArray(int row) {
    throw new UnsupportedOperationException("a file has no arrays");
  }

  @Override
  public ColumnarMap getMap(int row) {
    throw new UnsupportedOperationException("a file has no maps");
  }

  @Override
  public void close() {}
}
