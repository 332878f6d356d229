package sluice.s3;

import java.io.IOException;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.FSDataOutputStreamBuilder;
import org.apache.hadoop.fs.FileAlreadyExistsException;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.s3a.RemoteFileChangedException;
import org.apache.spark.sql.execution.streaming.checkpointing.CheckpointFileManager.CancellableFSDataOutputStream;

/** Writes one object whole or not at all; without {@code overwrite} only where none is. */
final class ConditionalStream extends CancellableFSDataOutputStream {

  /** What Hadoop calls a write that the server refuses where the object is there. */
  static final String CONDITIONAL = "fs.option.create.conditional.overwrite";

  private final Path path;
  private final FSDataOutputStream stream;
  private boolean ended = false;

  ConditionalStream(FileSystem fs, Path path, boolean overwrite) throws IOException {
    this(path, open(fs, path, overwrite));
  }

  private ConditionalStream(Path path, FSDataOutputStream stream) {
    super(stream);
    this.path = path;
    this.stream = stream;
  }

  private static FSDataOutputStream open(FileSystem fs, Path path, boolean overwrite)
      throws IOException {
    if (overwrite) {
      return fs.create(path, true);
    }
    FSDataOutputStreamBuilder builder = fs.createFile(path).overwrite(false);
    return (FSDataOutputStream) builder.must(CONDITIONAL, "true").build();
  }

  /** Send the object; S3 decides here which of several writers is the first. */
  @Override
  public synchronized void close() throws IOException {
    if (ended) {
      return;
    }
    ended = true;
    try {
      stream.close();
    } catch (RemoteFileChangedException refused) {
      FileAlreadyExistsException exists = new FileAlreadyExistsException(path.toString());
      exists.initCause(refused);
      throw exists;
    }
  }

  /** Leave nothing behind. */
  @Override
  public synchronized void cancel() {
    if (!ended) {
      ended = true;
      stream.abort();
    }
  }
}
