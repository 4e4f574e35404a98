import { randomFillSync } from 'node:crypto';
import type { MasterSession } from '@alces/client';
import { FIRST_SPECIAL_INODE, MASTERINFO_INODE } from '@alces/proto';
import type { LogReader, OperationLog } from '../log/operationLog.ts';
import type { Statistics } from '../statistics.ts';

/** An open special file. */
export interface SpecialHandle {
  readonly handle: number;
  readonly inode: number;
  readonly content: SpecialContent;
  /** Something was written to it. */
  written: boolean;
}

/** What reading gives; `onInterrupt` registers what ends a read that waits. */
export interface SpecialContent {
  read(offset: number, sizeBytes: number, onInterrupt: (stop: () => void) => void): Promise<Buffer> | Buffer;
}

/** A special file in the root of the mount (spec 60 §6.1). */
export interface SpecialFile {
  readonly name: string;
  /** Name in the log. */
  readonly label: string;
  readonly inode: number;
  readonly mode: number;
  readonly sizeBytes: number;
  readonly rootOnly: boolean;
  readonly writable: boolean;
  readonly direct: boolean;
  open(): SpecialContent;
}

export interface SpecialSources {
  session: MasterSession;
  statistics: Statistics;
  log: OperationLog;
  /** Address of the tools' proxy. */
  proxy(): { ip: number; port: number };
  parameters(): string;
}

const MASTERINFO_BYTES = 14;

const MOOSE = `
   \\\\//    \\\\//
    \\\\\\____///
      ( o o )_________
      (  "  )         )\\
       \\___/  ALCES  /  *
         |  _____   |
         | |     | ||
         |_|     |_||
`;

function fixed(bytes: Buffer): SpecialContent {
  return { read: (offset, sizeBytes) => bytes.subarray(offset, offset + sizeBytes) };
}

function random(): SpecialContent {
  return { read: (_offset, sizeBytes) => randomFillSync(Buffer.allocUnsafe(sizeBytes)) };
}

function logContent(log: OperationLog, reader: LogReader): SpecialContent {
  return { read: (_offset, sizeBytes, onInterrupt) => log.read(reader, sizeBytes, onInterrupt) };
}

/** `ip:u32 port:u16 sessionid:u32 version:u32`: where the tools find the mount's proxy (spec 00 §7.1). */
function masterInfo(session: MasterSession, proxy: SpecialSources['proxy']): Buffer {
  const { ip, port } = proxy();
  const { sessionId, masterVersion } = session.parameters;
  const bytes = Buffer.alloc(MASTERINFO_BYTES);
  bytes.writeUInt32BE(ip, 0);
  bytes.writeUInt16BE(port, 4);
  bytes.writeUInt32BE(sessionId, 6);
  bytes.writeUInt32BE(masterVersion, 10);
  return bytes;
}

/** Whether the inode is one of the files that show the log. */
export function isLogFile(inode: number): boolean {
  return inode === FIRST_SPECIAL_INODE + 1 || inode === FIRST_SPECIAL_INODE + 2;
}

const COMMON = { sizeBytes: 0, rootOnly: false, writable: false, direct: true };

export function masterInfoFile(session: MasterSession, proxy: SpecialSources['proxy']): SpecialFile {
  return {
    ...COMMON,
    name: '.masterinfo',
    label: 'MASTERINFO',
    inode: MASTERINFO_INODE,
    mode: 0o444,
    sizeBytes: MASTERINFO_BYTES,
    direct: false,
    open: () => fixed(masterInfo(session, proxy)),
  };
}

/** All of them. */
export function specialFiles(sources: SpecialSources): SpecialFile[] {
  const { session, statistics, log, proxy, parameters } = sources;
  const base = FIRST_SPECIAL_INODE;
  return [
    masterInfoFile(session, proxy),
    {
      ...COMMON,
      name: '.stats',
      label: 'STATS',
      inode: base,
      mode: 0o644,
      writable: true,
      open: () => fixed(Buffer.from(statistics.text())),
    },
    {
      ...COMMON,
      name: '.oplog',
      label: 'OPLOG',
      inode: base + 1,
      mode: 0o400,
      rootOnly: true,
      open: () => logContent(log, log.reader(false)),
    },
    {
      ...COMMON,
      name: '.ophistory',
      label: 'OPHISTORY',
      inode: base + 2,
      mode: 0o400,
      rootOnly: true,
      open: () => logContent(log, log.reader(true)),
    },
    {
      ...COMMON,
      name: '.mooseart',
      label: 'MOOSE',
      inode: base + 3,
      mode: 0o644,
      writable: true,
      open: () => fixed(Buffer.from(MOOSE)),
    },
    {
      ...COMMON,
      name: '.random',
      label: 'RANDOM',
      inode: base + 4,
      mode: 0o444,
      writable: true,
      open: random,
    },
    {
      ...COMMON,
      name: '.params',
      label: 'PARAMS',
      inode: base + 5,
      mode: 0o400,
      rootOnly: true,
      open: () => fixed(Buffer.from(parameters())),
    },
  ];
}
