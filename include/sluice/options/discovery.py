"""The options that say which files are discovered."""

from __future__ import annotations

from sluice.options.incremental import IncrementalListing
from sluice.values import Option, parse_flag, parse_interval, parse_moment, word_of

DISCOVERY = (
    Option(
        name="cloudFiles.useStrictGlobber",
        default="false",
        meaning="false, as Auto Loader: `*` goes across folders, and the glob need "
        "be only the beginning of a file's path. true, as Spark: `*` stays within "
        "one folder name, and the glob names files, or folders with all that is in "
        "them; only folders that may match are opened",
        parse=parse_flag,
        field="strict_globber",
    ),
    Option(
        name="recursiveFileLookup",
        default="true",
        meaning="look into subfolders; names that begin with `.`, or with `_` and "
        "have no `=`, or that end in `._COPYING_`, are passed over, as with Spark: "
        "they are markers and files being written. A link that leads back to a "
        "folder above is passed over with a warning",
        parse=parse_flag,
        field="recursive",
    ),
    Option(
        name="sluice.followLinks",
        default="false",
        meaning="true: also read files that a link below the path leads to, or to "
        "whose folder, where they lie outside of it. The path itself may be a link. "
        "Cleaning never goes through one",
        parse=parse_flag,
        field="follow_links",
    ),
    Option(
        name="pathGlobFilter",
        aliases=("cloudFiles.pathGlobFilter", "fileNamePattern"),
        meaning="only file names that match",
        field="path_glob_filter",
    ),
    Option(
        name="modifiedAfter",
        meaning="only files modified after an ISO 8601 time, exclusive; UTC where it "
        "has no offset",
        parse=parse_moment,
        field="modified_after",
    ),
    Option(
        name="modifiedBefore",
        meaning="only files modified before an ISO 8601 time, exclusive; UTC where "
        "it has no offset",
        parse=parse_moment,
        field="modified_before",
    ),
    Option(
        name="cloudFiles.maxFileAge",
        meaning="accepted, and does nothing: every file is remembered. A warning "
        "says so once; best left out",
        parse=parse_interval,
    ),
    Option(
        name="sluice.minFileAge",
        meaning="`30s`: a younger file may be being written, and waits for the next "
        "listing",
        parse=parse_interval,
        field="min_file_age",
    ),
    Option(
        name="cloudFiles.includeExistingFiles",
        default="true",
        meaning="false: what is there at the first start is never read. Evaluated at "
        "the first start only; a file that waits for `sluice.minFileAge` then counts "
        "as new, and is read",
        parse=parse_flag,
        field="include_existing",
    ),
    Option(
        name="cloudFiles.allowOverwrites",
        default="false",
        meaning="false: a path is read once. true: also again with another time, "
        "size or etag; every file is looked at by every listing, which on a disk "
        "costs a system call each (about 4 s for 1,000,000). Bytes that come again "
        "under another name are read again: deduplicate rows in silver",
        parse=parse_flag,
        field="allow_overwrites",
    ),
    Option(
        name="cloudFiles.backfillInterval",
        meaning="`1 day`: how often a listing must be full. It finds the files that "
        "incremental listing or a watcher missed, and counts them (`missed`). A "
        "known name with other content is found by `sluice audit` (`FILE_CHANGED`: "
        "another size or modification time)",
        parse=parse_interval,
        field="backfill_interval",
    ),
    Option(
        name="cloudFiles.useIncrementalListing",
        default="false",
        meaning="true: list only what sorts after the last known path, in each "
        "folder that the load path names, by the characters of the whole path. **A "
        "file whose name does not sort last, or a new version of an old name, is "
        "found by the next full listing only**: every `backfillInterval`, or every "
        "eighth listing. On a bucket this asks for later keys; on a disk folders "
        "that sort before are not opened. `auto`: so once three full listings in a "
        "row have found new names only at the end, and until one has not",
        parse=word_of(IncrementalListing),
        field="incremental_listing",
    ),
)
