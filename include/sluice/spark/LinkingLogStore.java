package sluice.disk;

import io.delta.storage.HadoopFileSystemLogStore;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Iterator;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;

/**
 * Delta's log on a disk: of all processes that commit one version, the disk lets one through.
 *
 * <p>Delta's own HDFSLogStore looks first and renames then, and a disk's rename replaces.
 */
public final class LinkingLogStore extends HadoopFileSystemLogStore {

  public LinkingLogStore(Configuration hadoopConf) {
    super(hadoopConf);
  }

  @Override
  public void write(Path path, Iterator actions, Boolean overwrite, Configuration hadoopConf)
      throws IOException {
    LinkedFile file = new LinkedFile(path, overwrite.booleanValue());
    try {
      OutputStream stream = file.open();
      try {
        while (actions.hasNext()) {
          stream.write((actions.next() + "\n").getBytes(StandardCharsets.UTF_8));
        }
      } finally {
        stream.close();
      }
      file.publish();
    } finally {
      file.discard();
    }
  }

  @Override
  public Boolean isPartialWriteVisible(Path path, Configuration hadoopConf) {
    return Boolean.FALSE;
  }
}
