export { AnswerFiles, decodeBlocks, type VersionedNote } from './answerFiles.ts';
export { AppendReservations, type Reservation } from './appends.ts';
export {
  describeImage,
  findCandidates,
  findChangelogs,
  findEmergencyImages,
  type ValidImage,
} from './candidates.ts';
export { CommitQueue } from './commitQueue.ts';
export * from './files.ts';
export { damagedEnd, type History, type HistoryOptions, lastVersionOf, readHistory } from './history.ts';
export { openingChanges } from './identity.ts';
export { checkImage, type ImageCheck, parseImageFile, writeImageFile } from './imageFile.ts';
export { findDamage, noteImageSums } from './imageSums.ts';
export { Journal, type JournalFollower, type JournalOptions, type JournalSettings, type SaveMode } from './journal.ts';
export * from './ledger.ts';
export type { InheritedChanges, MasterJournal } from './masterJournal.ts';
export {
  checkHistory,
  type LoadFromDiskOptions,
  loadFromDisk,
  type Recovered,
  recover,
  tellSources,
} from './recover.ts';
export {
  checkCoverage,
  ReplayError,
  type ReplayOptions,
  type ReplayResult,
  reachableVersion,
  replay,
} from './replay.ts';
export type { Reporter } from './report.ts';
export { rotateFiles } from './rotation.ts';
export { type ChangelogEnds, inspectChangelog, type Run, type ScannedChangelog, scanChangelog } from './scan.ts';
export { StartError, type StartedMetadata, type StartOptions, startMetadata } from './start.ts';
export { type StoredImage, StoreError, type StoreOptions, storeAtStop, storeImage } from './store.ts';
