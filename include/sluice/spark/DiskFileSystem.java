package sluice.disk;

import org.apache.hadoop.fs.LocalFileSystem;

/** Hadoop's file system of a disk, with its checksums, over {@link DiskFiles}. */
public final class DiskFileSystem extends LocalFileSystem {

  public DiskFileSystem() {
    super(new DiskFiles());
  }
}
