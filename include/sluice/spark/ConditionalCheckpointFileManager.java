package sluice.s3;

import java.io.IOException;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.PathFilter;
import org.apache.spark.sql.execution.streaming.checkpointing.CheckpointFileManager;
import org.apache.spark.sql.execution.streaming.checkpointing.FileContextBasedCheckpointFileManager;
import org.apache.spark.sql.execution.streaming.checkpointing.FileSystemBasedCheckpointFileManager;

/** Spark's checkpoint files on S3, written without a rename; elsewhere as Spark does. */
public final class ConditionalCheckpointFileManager implements CheckpointFileManager {

  private final CheckpointFileManager files;
  private final FileSystem s3;

  public ConditionalCheckpointFileManager(Path path, Configuration hadoopConf)
      throws IOException {
    FileSystem fs = path.getFileSystem(hadoopConf);
    boolean conditional = fs.hasPathCapability(path, ConditionalStream.CONDITIONAL);
    s3 = conditional ? fs : null;
    files = conditional
        ? (CheckpointFileManager) new FileSystemBasedCheckpointFileManager(path, hadoopConf)
        : (CheckpointFileManager) new FileContextBasedCheckpointFileManager(path, hadoopConf);
  }

  @Override
  public CancellableFSDataOutputStream createAtomic(Path path, boolean overwrite)
      throws IOException {
    return s3 == null
        ? files.createAtomic(path, overwrite)
        : new ConditionalStream(s3, path, overwrite);
  }

  @Override
  public FSDataInputStream open(Path path) {
    return files.open(path);
  }

  @Override
  public FileStatus[] list(Path path, PathFilter filter) {
    return files.list(path, filter);
  }

  @Override
  public FileStatus[] list(Path path) {
    return files.list(path);
  }

  @Override
  public void mkdirs(Path path) {
    files.mkdirs(path);
  }

  @Override
  public boolean exists(Path path) {
    return files.exists(path);
  }

  @Override
  public void delete(Path path) {
    files.delete(path);
  }

  @Override
  public boolean isLocal() {
    return files.isLocal();
  }

  @Override
  public Path createCheckpointDirectory() {
    return files.createCheckpointDirectory();
  }

  @Override
  public void close() {
    files.close();
  }
}
