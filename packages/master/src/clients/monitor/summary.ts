import {
  CLTOMA_CHUNKS_MATRIX,
  CLTOMA_CHUNKSTEST_INFO,
  CLTOMA_CSERV_LIST,
  CLTOMA_CSSERV_COMMAND,
  CLTOMA_FSTEST_INFO,
  CLTOMA_INFO,
  CLTOMA_MISSING_CHUNKS,
  CLTOMA_MLOG_LIST,
  type FieldsOf,
  MATOCL_CHUNKS_MATRIX,
  MATOCL_CHUNKSTEST_INFO,
  MATOCL_CSERV_LIST,
  MATOCL_CSSERV_COMMAND,
  MATOCL_FSTEST_INFO,
  MATOCL_INFO,
  MATOCL_MISSING_CHUNKS,
  MATOCL_MLOG_LIST,
  VERSION,
} from '@alces/proto';
import type { ServerRow } from '../../chunks/api.ts';
import { nodeCounts } from '../../core.ts';
import type { DispatchTable } from '../dispatch.ts';
import { MONITORS, type MonitorSources } from './sources.ts';

const SIMPLE_MASTER = 0xff;
const MATRIX_CELLS = 121;

/** Registers the messages that tell about the master as a whole, chunkservers and chunks (spec 70 §3.1-3.10, 3.21). */
export function addSummaryMessages(table: DispatchTable, sources: MonitorSources): void {
  const { core } = sources;
  const { chunks } = core;
  table.on(CLTOMA_INFO, MONITORS, (client) => client.send(MATOCL_INFO, summary(sources)));
  table.on(CLTOMA_CSERV_LIST, MONITORS, (client) =>
    client.send(MATOCL_CSERV_LIST, { servers: chunks.serverList().map(serverRecord) }),
  );
  table.on(CLTOMA_MLOG_LIST, MONITORS, (client) =>
    client.send(MATOCL_MLOG_LIST, { metaloggers: sources.metaloggers() }),
  );
  table.on(CLTOMA_CHUNKS_MATRIX, MONITORS, (client, { matrix }) => {
    const cells = (which: 0 | 1) => [...chunks.matrix(which)];
    if (matrix === undefined)
      client.send(MATOCL_CHUNKS_MATRIX, {
        layout: 'both',
        progress: chunks.countersInProgress(),
        all: cells(0),
        regular: cells(1),
      });
    else {
      const counts = matrix === 0 || matrix === 1 ? cells(matrix) : new Array<number>(MATRIX_CELLS).fill(0);
      client.send(MATOCL_CHUNKS_MATRIX, { layout: 'one', counts });
    }
  });
  table.on(CLTOMA_CHUNKSTEST_INFO, MONITORS, (client) =>
    client.send(MATOCL_CHUNKSTEST_INFO, chunkTest(chunks.chunkTest())),
  );
  table.on(CLTOMA_FSTEST_INFO, MONITORS, (client, { mode }) => {
    const { messages, ...counters } = chunks.fileTest();
    const fields = { ...counters, messages: Buffer.from(messages) };
    client.send(MATOCL_FSTEST_INFO, { layout: mode === undefined ? 'short' : 'data', ...fields });
  });
  table.on(CLTOMA_MISSING_CHUNKS, MONITORS, (client, { mode }) => {
    const missing = chunks.missingChunks();
    client.send(MATOCL_MISSING_CHUNKS, { layout: (mode ?? 0) === 0 ? 'plain' : 'typed', chunks: [...missing] });
  });
  table.on(CLTOMA_CSSERV_COMMAND, MONITORS, (client, { cmd, ip, port }) => {
    if (cmd !== undefined) return client.send(MATOCL_CSSERV_COMMAND, { status: chunks.serverCommand(cmd, ip, port) });
    chunks.serverCommand(0, ip, port);
    client.send(MATOCL_CSSERV_COMMAND, {});
  });
}

function summary({ core, statistics, lastStore, clock }: MonitorSources): FieldsOf<typeof MATOCL_INFO> {
  const { state, chunks } = core;
  const space = chunks.space();
  const totals = chunks.totals();
  const store = lastStore();
  const nodes = nodeCounts(state);
  return {
    layout: 'data',
    version: VERSION,
    memoryUsed: statistics.memoryRssBytes,
    systemCpu: statistics.systemCpuShare,
    userCpu: statistics.userCpuShare,
    totalSpace: space.totalBytes,
    availSpace: space.availableBytes,
    freeSpace: BigInt(space.freeBytes),
    trashSpace: state.detached.trashBytes,
    trashNodes: state.detached.trashCount,
    sustainedSpace: state.detached.sustainedBytes,
    sustainedNodes: state.detached.sustainedCount,
    allNodes: nodes.all,
    dirNodes: nodes.directories,
    fileNodes: nodes.files,
    chunks: totals.chunks,
    chunkCopies: totals.copies,
    regularCopies: totals.regularCopies,
    lastStoreTime: store.time,
    lastStoreDurationMs: store.durationMs,
    lastStoreStatus: store.status,
    state: SIMPLE_MASTER,
    nextState: SIMPLE_MASTER,
    stable: SIMPLE_MASTER,
    sync: SIMPLE_MASTER,
    leaderIp: 0,
    stateChangeTime: 0,
    metaVersion: state.metaversion,
    exportsChecksum: core.exports.checksum,
    timeUs: Math.floor(clock.wallMs() * 1000),
    lastChangelogTime: 0,
  };
}

function serverRecord(row: ServerRow): FieldsOf<typeof MATOCL_CSERV_LIST>['servers'][number] {
  return {
    flags: row.flags,
    versionMajor: (row.version >>> 16) & 0xff,
    versionMiddle: (row.version >>> 8) & 0xff,
    versionMinor: row.version & 0xff,
    ip: row.ip,
    port: row.port,
    csid: row.csid,
    usedSpace: row.usedBytes,
    totalSpace: row.totalBytes,
    chunks: row.chunks,
    tdUsedSpace: row.markedUsedBytes,
    tdTotalSpace: row.markedTotalBytes,
    tdChunks: row.markedChunks,
    errorCount: row.errors,
    load: row.load,
    graceTime: row.graceTime,
    labelMask: row.labelMask,
    mfrStatus: row.removalStatus,
  };
}

const CHUNK_TEST_FIELDS = [
  'loopStart',
  'loopEnd',
  'delInvalid',
  'noDelInvalid',
  'delUnused',
  'noDelUnused',
  'delDiskClean',
  'noDelDiskClean',
  'delOverGoal',
  'noDelOverGoal',
  'copyUnderGoal',
  'noCopyUnderGoal',
  'copyWrongLabels',
  'noCopyWrongLabels',
  'copyRebalance',
  'labelsDontMatch',
  'lockedUnused',
  'lockedUsed',
] as const;

function chunkTest(numbers: readonly number[]): FieldsOf<typeof MATOCL_CHUNKSTEST_INFO> {
  const entries = CHUNK_TEST_FIELDS.map((field, index) => [field, numbers[index] ?? 0]);
  return Object.fromEntries(entries) as FieldsOf<typeof MATOCL_CHUNKSTEST_INFO>;
}
