package sluice.s3;

import io.delta.storage.HadoopFileSystemLogStore;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Iterator;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileAlreadyExistsException;
import org.apache.hadoop.fs.Path;

/**
 * Delta's log on S3: of all drivers that commit one version, S3 lets one through.
 *
 * <p>Delta's own S3SingleDriverLogStore looks first and writes then, so the later of two drivers
 * replaces the commit of the other.
 */
public final class ConditionalLogStore extends HadoopFileSystemLogStore {

  public ConditionalLogStore(Configuration hadoopConf) {
    super(hadoopConf);
  }

  @Override
  public void write(
      Path path, Iterator actions, Boolean overwrite, Configuration hadoopConf)
      throws IOException {
    ConditionalStream stream =
        new ConditionalStream(path.getFileSystem(hadoopConf), path, overwrite.booleanValue());
    try {
      while (actions.hasNext()) {
        stream.write((actions.next() + "\n").getBytes(StandardCharsets.UTF_8));
      }
      stream.close();
    } catch (FileAlreadyExistsException exists) {
      // Delta knows a lost race by Java's exception, not by Hadoop's.
      throw new java.nio.file.FileAlreadyExistsException(path.toString());
    } finally {
      stream.cancel();
    }
  }

  @Override
  public Boolean isPartialWriteVisible(Path path, Configuration hadoopConf) {
    return Boolean.FALSE;
  }
}
