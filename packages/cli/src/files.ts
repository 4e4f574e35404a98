import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, posix } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { type Client, connect } from '@alces/client';
import { clusterFolder, readSettings } from './layout.ts';
import { masterAddress } from './places.ts';
import { formatTable } from './table.ts';

/** Options that the file commands share. */
export interface FileOptions {
  dir?: string | undefined;
  master?: string | undefined;
  long?: boolean | undefined;
  recursive?: boolean | undefined;
}

type FileCommand = (operands: readonly string[], options: FileOptions) => Promise<number>;

function masterOf(options: FileOptions): string {
  if (options.master !== undefined) return options.master;
  const folder = clusterFolder(options.dir);
  const settings = readSettings(folder);
  if (!settings) throw new Error(`no cluster in ${folder}; "alces up" makes one, or name a master with --master`);
  return masterAddress(settings);
}

/** Connects, runs `work`, and disconnects whatever came of it. */
async function withFileSystem(options: FileOptions, work: (fs: Client) => Promise<void>): Promise<number> {
  const fs = await connect({ masters: [masterOf(options)], info: 'alces' });
  try {
    await work(fs);
  } finally {
    await fs.close();
  }
  return 0;
}

const absolute = (path: string) => posix.join('/', path);

const MODE_LETTERS = ['x', 'w', 'r'];

function modeText(mode: number, type: string): string {
  let text = type;
  for (let bit = 8; bit >= 0; bit--) text += mode & (1 << bit) ? MODE_LETTERS[bit % 3] : '-';
  return text;
}

async function longListing(fs: Client, folder: string, names: readonly string[]): Promise<string> {
  const rows = await Promise.all(
    names.map(async (name) => {
      const info = await fs.lstat(posix.join(folder, name));
      const type = info.isDirectory() ? 'd' : info.isSymbolicLink() ? 'l' : '-';
      const date = info.mtime.toISOString().slice(0, 16).replace('T', ' ');
      return [
        modeText(info.mode, type),
        String(info.nlink),
        String(info.uid),
        String(info.gid),
        String(info.size).padStart(12),
        date,
        name,
      ];
    }),
  );
  return rows.length > 0 ? `${formatTable(rows)}\n` : '';
}

const ls: FileCommand = (operands, options) =>
  withFileSystem(options, async (fs) => {
    for (const path of operands.length > 0 ? operands.map(absolute) : ['/']) {
      const info = await fs.lstat(path);
      const folder = info.isDirectory() ? path : posix.dirname(path);
      const names = info.isDirectory() ? (await fs.readdir(path)).sort() : [posix.basename(path)];
      if (operands.length > 1) process.stdout.write(`${path}:\n`);
      process.stdout.write(
        options.long ? await longListing(fs, folder, names) : names.map((name) => `${name}\n`).join(''),
      );
    }
  });

const cat: FileCommand = (operands, options) =>
  withFileSystem(options, async (fs) => {
    for (const path of operands) await pipeline(fs.createReadStream(absolute(path)), process.stdout, { end: false });
  });

/** The path to write to: below `target` when that is a folder. */
async function destination(fs: Client, target: string, name: string): Promise<string> {
  const info = await fs.stat(target).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  return info?.isDirectory() ? posix.join(target, name) : target;
}

const put: FileCommand = async (operands, options) => {
  const target = operands.at(-1);
  if (operands.length < 2 || target === undefined) throw new Error('put needs a local file and a path');
  return withFileSystem(options, async (fs) => {
    for (const local of operands.slice(0, -1)) {
      if (!(await stat(local)).isFile()) throw new Error(`${local} is not a file`);
      await pipeline(
        createReadStream(local),
        fs.createWriteStream(await destination(fs, absolute(target), basename(local))),
      );
    }
  });
};

const cp: FileCommand = async (operands, options) => {
  const [source, target] = operands;
  if (operands.length !== 2 || source === undefined || target === undefined) throw new Error('cp needs two paths');
  return withFileSystem(options, async (fs) => {
    const to = await destination(fs, absolute(target), posix.basename(source));
    if (to === absolute(source)) throw new Error(`${to}: source and destination are the same file`);
    await pipeline(fs.createReadStream(absolute(source)), fs.createWriteStream(to));
  });
};

const rm: FileCommand = (operands, options) =>
  withFileSystem(options, async (fs) => {
    for (const path of operands) await fs.rm(absolute(path), { recursive: options.recursive === true });
  });

/** The commands that work on files through the client library. */
export const FILE_COMMANDS: ReadonlyMap<string, FileCommand> = new Map([
  ['ls', ls],
  ['cat', cat],
  ['put', put],
  ['cp', cp],
  ['rm', rm],
]);
