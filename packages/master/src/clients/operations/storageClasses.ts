import {
  type ClassDefinition,
  MASKS_PER_COPY,
  planSclassChange,
  planSclassCreate,
  planSclassDelete,
  planSclassDuplicate,
  planSclassRename,
  type StorageClass,
} from '@alces/metadata';
import {
  CLTOMA_SCLASS_CHANGE,
  CLTOMA_SCLASS_CREATE,
  CLTOMA_SCLASS_DELETE,
  CLTOMA_SCLASS_DUPLICATE,
  CLTOMA_SCLASS_LIST,
  CLTOMA_SCLASS_RENAME,
  MATOCL_SCLASS_CHANGE,
  MATOCL_SCLASS_CREATE,
  MATOCL_SCLASS_DELETE,
  MATOCL_SCLASS_DUPLICATE,
  MATOCL_SCLASS_LIST,
  MATOCL_SCLASS_RENAME,
  Status,
} from '@alces/proto';
import type { DispatchTable } from '../dispatch.ts';
import { MOUNTS_AND_TOOLS, type Requests } from '../requests.ts';

/** A definition on the wire: per copy a list of label masks. */
interface WireDefinition {
  readonly adminOnly: number;
  readonly mode: number;
  readonly archDelay: number;
  readonly create: readonly number[][];
  readonly keep: readonly number[][];
  readonly arch: readonly number[][];
}

const LONG_LIST = 1;

/** Registers the administration of storage classes (spec 10 §11.4). */
export function addStorageClassRequests(table: DispatchTable, requests: Requests): void {
  const { state } = requests.core;

  table.on(CLTOMA_SCLASS_CREATE, MOUNTS_AND_TOOLS, (client, request) => {
    const context = requests.context(client, 0, [0]);
    const plan = planSclassCreate(state, context, request.name, request.fver, fromWire(request));
    client.sendStatus(MATOCL_SCLASS_CREATE.number, request.msgid, requests.perform(context, plan));
  });

  table.on(CLTOMA_SCLASS_CHANGE, MOUNTS_AND_TOOLS, (client, request) => {
    const { msgid, name, fver, chgmask } = request;
    const context = requests.context(client, 0, [0]);
    const plan = planSclassChange(state, context, name, fver, chgmask, fromWire(request));
    const status = requests.perform(context, plan);
    if (status !== Status.OK) return client.sendStatus(MATOCL_SCLASS_CHANGE.number, msgid, status);
    const definition = state.storageClasses.get(state.storageClasses.find(name))!;
    client.send(MATOCL_SCLASS_CHANGE, { layout: 'data', msgid, fver: 0, ...toWire(definition) });
  });

  table.on(CLTOMA_SCLASS_DELETE, MOUNTS_AND_TOOLS, (client, { msgid, name }) => {
    const context = requests.context(client, 0, [0]);
    const status = requests.perform(context, planSclassDelete(state, context, name));
    client.sendStatus(MATOCL_SCLASS_DELETE.number, msgid, status);
  });

  table.on(CLTOMA_SCLASS_DUPLICATE, MOUNTS_AND_TOOLS, (client, { msgid, oldName, newName }) => {
    const context = requests.context(client, 0, [0]);
    const status = requests.perform(context, planSclassDuplicate(state, context, oldName, newName));
    client.sendStatus(MATOCL_SCLASS_DUPLICATE.number, msgid, status);
  });

  table.on(CLTOMA_SCLASS_RENAME, MOUNTS_AND_TOOLS, (client, { msgid, oldName, newName }) => {
    const context = requests.context(client, 0, [0]);
    const status = requests.perform(context, planSclassRename(state, context, oldName, newName));
    client.sendStatus(MATOCL_SCLASS_RENAME.number, msgid, status);
  });

  table.on(CLTOMA_SCLASS_LIST, MOUNTS_AND_TOOLS, (client, { msgid, longmode }) => {
    const definitions = [...state.storageClasses.entries()].map(([, definition]) => definition);
    if ((longmode & LONG_LIST) === 0)
      return client.send(MATOCL_SCLASS_LIST, { layout: 'names', msgid, names: definitions.map(({ name }) => name) });
    const classes = definitions.map((definition) => ({ name: definition.name, ...toWire(definition) }));
    client.send(MATOCL_SCLASS_LIST, { layout: 'definitions', msgid, classes });
  });
}

function fromWire({ adminOnly, mode, archDelay, create, keep, arch }: WireDefinition): ClassDefinition {
  return {
    adminonly: adminOnly,
    mode,
    archdelay: archDelay,
    createMasks: create.flat(),
    keepMasks: keep.flat(),
    archMasks: arch.flat(),
  };
}

/** The label masks of each copy. */
export function labelSets(masks: readonly number[]): number[][] {
  const copies = masks.length / MASKS_PER_COPY;
  return Array.from({ length: copies }, (_, copy) => masks.slice(copy * MASKS_PER_COPY, (copy + 1) * MASKS_PER_COPY));
}

function toWire(definition: StorageClass) {
  return {
    adminOnly: definition.adminonly,
    mode: definition.mode,
    archDelay: definition.archdelay,
    create: labelSets(definition.createMasks),
    keep: labelSets(definition.keepMasks),
    arch: labelSets(definition.archMasks),
  };
}
