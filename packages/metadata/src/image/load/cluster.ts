/** Storage classes, chunkservers and chunks into the tables (spec 50 §3.2, §3.12, §3.13). */
import type { State } from '../../state.ts';
import { FIRST_OWN_CLASS, MASKS_PER_COPY } from '../../tables/storageClasses.ts';
import type { ImageSink, StorageClassRecord } from '../records.ts';
import type { LoadHost } from './host.ts';

const CHUNK_BYTES = 17;

type ClusterSink = Pick<ImageSink, 'storageClass' | 'chunkservers' | 'chunkserver' | 'chunks' | 'chunk'>;

function masksOf(masks: Uint32Array, copies: number): number[] {
  return Array.from(masks.subarray(0, copies * MASKS_PER_COPY));
}

function nameOf(record: StorageClassRecord): Buffer {
  if (record.name.length > 0) return Buffer.from(record.name);
  return Buffer.from(`sclass_${record.classId - (FIRST_OWN_CLASS - 1)}`, 'latin1');
}

export function clusterSink(state: State, host: LoadHost): ClusterSink {
  return {
    storageClass(record) {
      const { classId } = record;
      if (classId >= FIRST_OWN_CLASS && state.storageClasses.get(classId) !== undefined) {
        host.tolerate(`storage class ${classId} occurs twice`);
        return;
      }
      state.storageClasses.set(classId, {
        name: nameOf(record),
        adminonly: record.adminOnly,
        mode: record.mode,
        archdelay: record.archiveDelayDays,
        createMasks: masksOf(record.createMasks, record.createCount),
        keepMasks: masksOf(record.keepMasks, record.keepCount),
        archMasks: masksOf(record.archiveMasks, record.archiveCount),
      });
    },

    chunkservers() {
      // the number of records is known from the records themselves
    },

    chunkserver(record) {
      const { ip, port, csid } = record;
      if (state.chunkservers.find(ip, port) !== undefined || state.chunkservers.findById(csid) !== undefined) {
        host.tolerate(`a chunkserver with address or id of another one (${ip}:${port}, id ${csid})`);
      }
      state.chunkservers.records.push({ ...record });
    },

    chunks(nextChunkId) {
      state.nextchunkid = nextChunkId;
      // The section is made of chunks only, but for 8 bytes: this is their number.
      if (host.sectionVersion() >= 0x11) state.chunks.reserve(host.mostRecords(CHUNK_BYTES));
    },

    chunk(record) {
      const { chunkId } = record;
      if (state.chunks.find(chunkId) !== 0) {
        host.tolerate(`chunk ${chunkId} occurs twice`);
        return;
      }
      state.chunks.insert(chunkId, record.version, record.lockedTo, record.archived);
    },
  };
}
