import {
  EATTR_IMMUTABLE,
  isFileType,
  MASKS_PER_COPY,
  type State,
  type StorageClass,
  TYPE_SUSTAINED,
  TYPE_TRASH,
} from '@alces/metadata';
import type {
  ChunkTable,
  FileTable,
  LabelExpression,
  MetadataView,
  ServerEntries,
  StorageClasses,
  StorageClassView,
} from './views.ts';

/** The metadata as the chunk side sees it. */
export function metadataView(state: State): MetadataView {
  return {
    chunks: chunkTable(state),
    classes: storageClasses(state),
    servers: serverEntries(state),
    files: fileTable(state),
  };
}

function chunkTable(state: State): ChunkTable {
  const { chunks, storageClasses: classes } = state;
  return {
    find: (chunkId) => chunks.find(chunkId),
    get slotLimit() {
      return chunks.rowLimit;
    },
    get count() {
      return chunks.count;
    },
    get nextChunkId() {
      return state.nextchunkid;
    },
    id: (slot) => chunks.id.get(slot),
    version: (slot) => chunks.version.get(slot),
    lockedTo: (slot) => chunks.lockedTo.get(slot),
    references: (slot) => chunks.refs.get(slot),
    storageClass: (slot) => chunks.effectiveClass(slot, classes),
    archived: (slot) => chunks.archive.get(slot) !== 0,
  };
}

function storageClasses(state: State): StorageClasses {
  const views = new WeakMap<StorageClass, StorageClassView>();
  return {
    get(classId) {
      const definition = state.storageClasses.get(classId);
      if (definition === undefined) return undefined;
      let view = views.get(definition);
      if (view === undefined) {
        view = classView(definition);
        views.set(definition, view);
      }
      return view;
    },
  };
}

function classView(definition: StorageClass): StorageClassView {
  return {
    mode: definition.mode,
    createLabels: expressions(definition.createMasks),
    keepLabels: expressions(definition.keepMasks),
    archiveLabels: expressions(definition.archMasks),
    archiveDelayDays: definition.archdelay,
  };
}

function expressions(masks: readonly number[]): LabelExpression[] {
  const list: LabelExpression[] = [];
  for (let at = 0; at < masks.length; at += MASKS_PER_COPY) list.push(masks.slice(at, at + MASKS_PER_COPY));
  return list;
}

function serverEntries(state: State): ServerEntries {
  const { chunkservers } = state;
  return {
    all: () => chunkservers.records,
    byAddress: (ip, port) => chunkservers.find(ip, port),
    byId: (csid) => chunkservers.findById(csid),
  };
}

function fileTable(state: State): FileTable {
  const { nodes, edges } = state;
  return {
    get nodeLimit() {
      return nodes.rowLimit;
    },
    find(inode) {
      const slot = nodes.find(inode);
      return isFileType(nodes.type.get(slot)) ? slot : 0;
    },
    inode: (slot) => (isFileType(nodes.type.get(slot)) ? nodes.inode.get(slot) : 0),
    kind(slot) {
      const type = nodes.type.get(slot);
      if (type === TYPE_TRASH) return 'trash';
      return type === TYPE_SUSTAINED ? 'sustained' : 'file';
    },
    isImmutable: (slot) => (nodes.eattr.get(slot) & EATTR_IMMUTABLE) !== 0,
    lengthBytes: (slot) => nodes.length.get(slot),
    ctime: (slot) => nodes.ctime.get(slot),
    storageClass: (slot) => nodes.sclass.get(slot),
    linkCount(slot) {
      let count = 0;
      for (let edge = nodes.firstEdge.get(slot); edge !== 0; edge = edges.nextOfChild.get(edge)) count++;
      return count;
    },
    nextChunkIndex: (slot, from) => nodes.nextUsedSlot(slot, from),
    chunkCount: (slot) => nodes.slots.get(slot),
    chunkId: (slot, index) => nodes.chunkAt(slot, index),
  };
}
