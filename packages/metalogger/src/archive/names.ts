/** Names in a metalogger's DATA_PATH beside those of @alces/journal (spec 52 §4.3). */

/** A download of the image in progress. */
export const IMAGE_TEMPORARY = 'metadata_ml.tmp';
/** A download of a change log in progress. */
export const CHANGELOG_TEMPORARY = 'changelog_ml.tmp';
/** Folder in which a new set of files is put together while the old one stays usable (docs/decisions/0100). */
export const REBUILD_FOLDER = 'ml_rebuild';
/** Folders with files that were replaced because they did not fit the master's history; a number follows. */
export const DISCARDED_PREFIX = 'ml_discarded.';
/** An image that the master handed out and that can't be loaded. */
export const REFUSED_IMAGE = 'refused_metadata_ml';
