import { Status, StorageClassChange } from '@alces/proto';
import type { ScdelOperation, ScdupOperation, ScrenOperation, ScsetOperation } from '../operations.ts';
import type { State } from '../state.ts';
import { FIRST_OWN_CLASS, MASKS_PER_COPY, MAX_COPIES, type StorageClass } from '../tables/storageClasses.ts';
import { hasNul } from '../tree/names.ts';
import { isAdmin, type Planned, type RequestContext } from './context.ts';

/** A definition as a client sends it; masks as in StorageClass. */
export type ClassDefinition = Omit<StorageClass, 'name'>;

function isValidClassName(name: Buffer): boolean {
  return name.length > 0 && name.length <= 255 && !hasNul(name);
}

function hasValidCount(masks: readonly number[]): boolean {
  const copies = masks.length / MASKS_PER_COPY;
  return Number.isInteger(copies) && copies >= 1 && copies <= MAX_COPIES;
}

function scset(name: Buffer, isNew: boolean, definition: ClassDefinition): ScsetOperation {
  return {
    op: 'SCSET',
    name,
    new: isNew ? 1 : 0,
    createcnt: definition.createMasks.length / MASKS_PER_COPY,
    keepcnt: definition.keepMasks.length / MASKS_PER_COPY,
    archcnt: definition.archMasks.length / MASKS_PER_COPY,
    mode: definition.mode,
    archdelay: definition.archdelay,
    adminonly: definition.adminonly,
    masks: [...definition.createMasks, ...definition.keepMasks, ...definition.archMasks],
    id: 0,
  };
}

/** SCLASS_CREATE (spec 40, section 9.2). */
export function planSclassCreate(
  state: State,
  context: RequestContext,
  name: Buffer,
  fver: number,
  definition: ClassDefinition,
): Planned<ScsetOperation> {
  if (!isAdmin(context)) {
    return Status.EPERM_NOTADMIN;
  }
  if (fver !== 0 || !isValidClassName(name)) {
    return Status.EINVAL;
  }
  if (state.storageClasses.find(name) !== 0) {
    return Status.CLASSEXISTS;
  }
  if (state.storageClasses.lowestFree() === 0) {
    return Status.CLASSLIMITREACH;
  }
  const lists = [definition.createMasks, definition.keepMasks, definition.archMasks];
  return lists.every(hasValidCount) ? scset(name, true, definition) : Status.EINVAL;
}

/**
 * SCLASS_CHANGE (spec 40, section 9.2). Status.OK: chgmask 0, the definition is only to be shown. Unlike in the stock master,
 * class 9 needs FORCE like 1..8.
 */
export function planSclassChange(
  state: State,
  context: RequestContext,
  name: Buffer,
  fver: number,
  chgmask: number,
  wanted: ClassDefinition,
): Planned<ScsetOperation> {
  if (chgmask !== 0 && !isAdmin(context)) {
    return Status.EPERM_NOTADMIN;
  }
  if (fver !== 0 || !isValidClassName(name)) {
    return Status.EINVAL;
  }
  const id = state.storageClasses.find(name);
  const present = state.storageClasses.get(id);
  if (present === undefined) {
    return Status.NOSUCHCLASS;
  }
  if (chgmask === 0) {
    return Status.OK;
  }
  if (id < FIRST_OWN_CLASS && (chgmask & StorageClassChange.FORCE) === 0) {
    return Status.EPERM;
  }
  const { ADMIN_ONLY, MODE, CREATE_MASKS, KEEP_MASKS, ARCH_MASKS, ARCH_DELAY } = StorageClassChange;
  const result: ClassDefinition = {
    adminonly: chgmask & ADMIN_ONLY ? wanted.adminonly : present.adminonly,
    mode: chgmask & MODE ? wanted.mode : present.mode,
    archdelay: chgmask & ARCH_DELAY ? wanted.archdelay : present.archdelay,
    createMasks: chgmask & CREATE_MASKS ? wanted.createMasks : present.createMasks,
    keepMasks: chgmask & KEEP_MASKS ? wanted.keepMasks : present.keepMasks,
    archMasks: chgmask & ARCH_MASKS ? wanted.archMasks : present.archMasks,
  };
  const lists = [result.createMasks, result.keepMasks, result.archMasks];
  return lists.every(hasValidCount) ? scset(name, false, result) : Status.EINVAL;
}

/** SCLASS_DELETE (spec 40, section 9.2). */
export function planSclassDelete(state: State, context: RequestContext, name: Buffer): Planned<ScdelOperation> {
  const { storageClasses } = state;
  if (!isAdmin(context)) {
    return Status.EPERM_NOTADMIN;
  }
  if (!isValidClassName(name)) {
    return Status.EINVAL;
  }
  const id = storageClasses.find(name);
  if (id === 0) {
    return Status.NOSUCHCLASS;
  }
  if (id < FIRST_OWN_CLASS) {
    return Status.EPERM;
  }
  const isUsed = storageClasses.files[id] > 0 || storageClasses.directories[id] > 0;
  return isUsed ? Status.CLASSINUSE : { op: 'SCDEL', name, id: 0 };
}

/** SCLASS_DUPLICATE (spec 40, section 9.2). */
export function planSclassDuplicate(
  state: State,
  context: RequestContext,
  oldName: Buffer,
  newName: Buffer,
): Planned<ScdupOperation> {
  const { storageClasses } = state;
  if (!isAdmin(context)) {
    return Status.EPERM_NOTADMIN;
  }
  if (!isValidClassName(oldName) || !isValidClassName(newName)) {
    return Status.EINVAL;
  }
  if (storageClasses.find(oldName) === 0) {
    return Status.NOSUCHCLASS;
  }
  if (storageClasses.find(newName) !== 0) {
    return Status.CLASSEXISTS;
  }
  return storageClasses.lowestFree() === 0
    ? Status.CLASSLIMITREACH
    : { op: 'SCDUP', src: oldName, dst: newName, srcid: 0, dstid: 0 };
}

/** SCLASS_RENAME (spec 40, section 9.2). */
export function planSclassRename(
  state: State,
  context: RequestContext,
  oldName: Buffer,
  newName: Buffer,
): Planned<ScrenOperation> {
  const { storageClasses } = state;
  if (!isAdmin(context)) {
    return Status.EPERM_NOTADMIN;
  }
  if (!isValidClassName(oldName) || !isValidClassName(newName)) {
    return Status.EINVAL;
  }
  const id = storageClasses.find(oldName);
  if (id === 0) {
    return Status.NOSUCHCLASS;
  }
  if (id < FIRST_OWN_CLASS) {
    return Status.EPERM;
  }
  return storageClasses.find(newName) === 0 ? { op: 'SCREN', old: oldName, new: newName, id: 0 } : Status.CLASSEXISTS;
}
