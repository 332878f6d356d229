package sluice.disk;

import java.io.IOException;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Paths;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.RawLocalFileSystem;
import org.apache.hadoop.fs.permission.FsPermission;

/**
 * Hadoop's file system of a disk without its child processes.
 *
 * <p>Where Hadoop's native library is missing, as from PySpark, it starts a {@code chmod} for each
 * permission that it sets and a {@code readlink} for each path that it renames.
 */
public final class DiskFiles extends RawLocalFileSystem {

  private static final String MODE = "unix:mode";
  private static final boolean HAS_MODE =
      FileSystems.getDefault().supportedFileAttributeViews().contains("unix");
  // What chmod leaves a folder where a mode of four digits does not name it.
  private static final int KEPT_OF_FOLDERS = 06000;

  @Override
  public void setPermission(Path path, FsPermission permission) throws IOException {
    if (!HAS_MODE) {
      super.setPermission(path, permission);
      return;
    }
    java.nio.file.Path file = pathToFile(path).toPath();
    int mode = permission.toShort();
    if (Files.isDirectory(file, new LinkOption[0])) {
      Integer found = (Integer) Files.getAttribute(file, MODE, new LinkOption[0]);
      mode |= found.intValue() & KEPT_OF_FOLDERS;
    }
    Files.setAttribute(file, MODE, Integer.valueOf(mode), new LinkOption[0]);
  }

  /** Ask Hadoop, which starts a process, only where there is a link. */
  @Override
  public FileStatus getFileLinkStatus(Path path) throws IOException {
    // The path as Hadoop spells it for readlink: a qualified one is never a link to it.
    boolean isLink = Files.isSymbolicLink(Paths.get(path.toString(), new String[0]));
    return isLink ? super.getFileLinkStatus(path) : getFileStatus(path);
  }
}
