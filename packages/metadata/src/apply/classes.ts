import { Status } from '@alces/proto';
import type { ScdelOperation, ScdupOperation, ScrenOperation, ScsetOperation } from '../operations.ts';
import type { State } from '../state.ts';
import { FIRST_OWN_CLASS, MASKS_PER_COPY, MAX_COPIES, type StorageClass } from '../tables/storageClasses.ts';
import { defineStorageClass } from '../tree/accounting.ts';
import { type ApplyMode, type Handlers, settle } from './common.ts';

/** Whether the three counts and the masks of a definition fit each other. */
function areMasksValid(op: ScsetOperation): boolean {
  const counts = [op.createcnt, op.keepcnt, op.archcnt];
  const copies = op.createcnt + op.keepcnt + op.archcnt;
  return counts.every((count) => count >= 1 && count <= MAX_COPIES) && op.masks.length === copies * MASKS_PER_COPY;
}

function definitionOf(op: ScsetOperation): StorageClass {
  const createEnd = op.createcnt * MASKS_PER_COPY;
  const keepEnd = createEnd + op.keepcnt * MASKS_PER_COPY;
  return {
    name: Buffer.from(op.name),
    adminonly: op.adminonly,
    mode: op.mode,
    archdelay: op.archdelay,
    createMasks: op.masks.slice(0, createEnd),
    keepMasks: op.masks.slice(createEnd, keepEnd),
    archMasks: op.masks.slice(keepEnd),
  };
}

function scset(state: State, _now: number, op: ScsetOperation, mode: ApplyMode): number {
  const { storageClasses } = state;
  if (op.name.length === 0) {
    return Status.EINVAL;
  }
  const present = storageClasses.find(op.name);
  if (op.new !== 0 && present !== 0) {
    return Status.CLASSEXISTS;
  }
  if (op.new === 0 && present === 0) {
    return Status.NOSUCHCLASS;
  }
  const id = present === 0 ? storageClasses.lowestFree() : present;
  if (id === 0) {
    return Status.CLASSLIMITREACH;
  }
  if (!areMasksValid(op)) {
    return Status.EINVAL;
  }
  if (!settle(mode, op, 'id', id)) {
    return Status.MISMATCH;
  }
  defineStorageClass(state, id, definitionOf(op));
  state.observer.storageClassChanged(id);
  return Status.OK;
}

function scdup(state: State, _now: number, op: ScdupOperation, mode: ApplyMode): number {
  const { storageClasses } = state;
  if (op.src.length === 0 || op.dst.length === 0) {
    return Status.EINVAL;
  }
  const source = storageClasses.find(op.src);
  const definition = storageClasses.get(source);
  if (definition === undefined) {
    return Status.NOSUCHCLASS;
  }
  if (storageClasses.find(op.dst) !== 0) {
    return Status.CLASSEXISTS;
  }
  const id = storageClasses.lowestFree();
  if (id === 0) {
    return Status.CLASSLIMITREACH;
  }
  if (!settle(mode, op, 'srcid', source) || !settle(mode, op, 'dstid', id)) {
    return Status.MISMATCH;
  }
  defineStorageClass(state, id, { ...definition, name: Buffer.from(op.dst) });
  state.observer.storageClassChanged(id);
  return Status.OK;
}

function scren(state: State, _now: number, op: ScrenOperation, mode: ApplyMode): number {
  const { storageClasses } = state;
  if (op.old.length === 0 || op.new.length === 0) {
    return Status.EINVAL;
  }
  const id = storageClasses.find(op.old);
  const definition = storageClasses.get(id);
  if (definition === undefined) {
    return Status.NOSUCHCLASS;
  }
  if (id < FIRST_OWN_CLASS) {
    return Status.EPERM;
  }
  if (storageClasses.find(op.new) !== 0) {
    return Status.CLASSEXISTS;
  }
  if (!settle(mode, op, 'id', id)) {
    return Status.MISMATCH;
  }
  definition.name = Buffer.from(op.new);
  state.observer.storageClassChanged(id);
  return Status.OK;
}

function scdel(state: State, _now: number, op: ScdelOperation, mode: ApplyMode): number {
  const { storageClasses } = state;
  if (op.name.length === 0) {
    return Status.EINVAL;
  }
  const id = storageClasses.find(op.name);
  if (id === 0) {
    return Status.NOSUCHCLASS;
  }
  if (id < FIRST_OWN_CLASS) {
    return Status.EPERM;
  }
  if (storageClasses.files[id] > 0 || storageClasses.directories[id] > 0) {
    return Status.CLASSINUSE;
  }
  if (!settle(mode, op, 'id', id)) {
    return Status.MISMATCH;
  }
  storageClasses.remove(id);
  state.observer.storageClassChanged(id);
  return Status.OK;
}

export const classHandlers: Handlers<'SCSET' | 'SCDUP' | 'SCREN' | 'SCDEL'> = {
  SCSET: scset,
  SCDUP: scdup,
  SCREN: scren,
  SCDEL: scdel,
};
