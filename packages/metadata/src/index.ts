export { type ApplyMode, apply } from './apply/index.ts';
export * from './changelog/index.ts';
export { type DigestTable, differingTables, digestSteps, type StateDigest, stateDigest } from './digest/index.ts';
export * from './dump/index.ts';
export * from './image/index.ts';
export * from './load.ts';
export * from './observer.ts';
export * from './operations.ts';
export * from './plan/index.ts';
export * from './query/index.ts';
export { type Snapshot, takeSnapshot } from './snapshot.ts';
export { type BegunChange, createState, type State, type StateOptions } from './state.ts';
export type { Acl } from './tables/acls.ts';
export * from './tables/chunkservers.ts';
export * from './tables/constants.ts';
export { sustainedList, trashList } from './tables/edges.ts';
export type { FlockLock, LockRange, PosixOwner } from './tables/locks.ts';
export * from './tables/quotas.ts';
export { newSession, pickParameters, SESSION_COUNTERS, type Session } from './tables/sessions.ts';
export {
  FIRST_OWN_CLASS,
  MASKS_PER_COPY,
  MAX_CLASS,
  MAX_COPIES,
  predefined,
  type StorageClass,
} from './tables/storageClasses.ts';
export { type Accounting, continueAccounting } from './tree/accounting.ts';
export { type Contribution, contributionOf } from './tree/contribution.ts';
export { addRange, conflictingOwner, removeRange } from './tree/lockRanges.ts';
export { isValidName, pathOf } from './tree/names.ts';
export { ACCESS_EXECUTE, ACCESS_READ, ACCESS_WRITE, accessByte, mayAccess } from './tree/permissions.ts';
