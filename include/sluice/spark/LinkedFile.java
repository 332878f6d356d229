package sluice.disk;

import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.CopyOption;
import java.nio.file.Files;
import java.nio.file.OpenOption;
import java.nio.file.Paths;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.FileAttribute;
import java.util.UUID;
import org.apache.hadoop.fs.Path;

/** A file of a disk that appears whole, and without {@code overwrite} only where none is. */
final class LinkedFile {

  private final java.nio.file.Path target;
  private final java.nio.file.Path draft;
  private final boolean overwrite;

  LinkedFile(Path path, boolean overwrite) {
    this.target = Paths.get(path.toUri().getPath(), new String[0]);
    this.draft = target.resolveSibling("." + target.getFileName() + "." + UUID.randomUUID() + ".tmp");
    this.overwrite = overwrite;
  }

  OutputStream open() throws IOException {
    Files.createDirectories(target.getParent(), new FileAttribute[0]);
    return new BufferedOutputStream(Files.newOutputStream(draft, new OpenOption[0]));
  }

  /**
   * Give the file its name; a hard link is refused where the name is taken, in one step.
   *
   * @throws java.nio.file.FileAlreadyExistsException another writer was first
   */
  void publish() throws IOException {
    if (overwrite) {
      // Hadoop would read the new file against the checksum of the old one.
      Files.deleteIfExists(target.resolveSibling("." + target.getFileName() + ".crc"));
      Files.move(
          draft, target,
          new CopyOption[] {StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING});
    } else {
      Files.createLink(target, draft);
    }
  }

  void discard() throws IOException {
    Files.deleteIfExists(draft);
  }
}
