package sluice.disk;

import java.io.IOException;
import java.net.URI;
import java.net.URISyntaxException;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.ChecksumFs;
import org.apache.hadoop.fs.DelegateToFileSystem;
import org.apache.hadoop.fs.FsConstants;
import org.apache.hadoop.fs.FsServerDefaults;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.local.LocalConfigKeys;

/** The same as {@link DiskFileSystem} for Hadoop's FileContext, by which checkpoints are written. */
public final class DiskContext extends ChecksumFs {

  public DiskContext(URI uri, Configuration hadoopConf) throws IOException, URISyntaxException {
    super(new Raw(hadoopConf));
  }

  private static final class Raw extends DelegateToFileSystem {

    Raw(Configuration hadoopConf) throws IOException, URISyntaxException {
      super(
          FsConstants.LOCAL_FS_URI,
          new DiskFiles(),
          hadoopConf,
          FsConstants.LOCAL_FS_URI.getScheme(),
          false);
    }

    @Override
    public int getUriDefaultPort() {
      return -1;
    }

    @Override
    public FsServerDefaults getServerDefaults(Path path) throws IOException {
      return LocalConfigKeys.getServerDefaults();
    }

    @Override
    public FsServerDefaults getServerDefaults() throws IOException {
      return LocalConfigKeys.getServerDefaults();
    }

    @Override
    public boolean isValidName(String name) {
      return true;
    }
  }
}
