import { inFolder, parseChangelogName, type Reporter } from '@alces/journal';
import { discardedFiles, readDiscarded } from '@alces/replication';
import type { Disk, DiskFile } from '@alces/runtime';

const NEWLINE = 10;
const COLON = 58;
const BLOCK_BYTES = 1 << 20;
/** Longer lines are no changes. */
const LONGEST_LINE_BYTES = 1 << 21;
const CHECKSUMS = /\.mfs$/;

export interface SetAsideOptions {
  disk: Disk;
  /** DATA_PATH. */
  folder: string;
  /** The folder of the journal in it. */
  haFolder: string;
  report: Reporter;
  /** Takes images that hold such changes, the first of which is `first`, out of DATA_PATH. */
  moveImages(first: number): Promise<void>;
}

/**
 * Takes changes that were removed from the journal out of the stock files in DATA_PATH as well: who runs a stock master, or `mfsmetarestore`,
 * on that folder must not get them. They are kept as text beside the journal's own file of them; that this text is there says that it was done.
 */
export async function setAsideInStockFiles(options: SetAsideOptions): Promise<void> {
  const { disk, haFolder, report } = options;
  for (const file of await discardedFiles(disk, haFolder)) {
    const text = file.path.replace(/\.log$/, '.mfs');
    if (await disk.exists(text)) continue;
    const lines = new Map<number, Buffer>();
    for (const { version, data } of await readDiscarded(disk, file))
      lines.set(version, Buffer.concat([Buffer.from(`${version}: `), data]));
    await options.moveImages(file.first);
    for (const path of await stockLogs(options)) await cutLog(options, path, lines);
    await disk.replaceFile(text, joined([...lines.values()]));
    report.warn(`changes ${file.first}-${file.last} were set aside; they are in ${text}`);
  }
}

function joined(lines: readonly Buffer[]): Buffer {
  const newline = Buffer.from('\n');
  return Buffer.concat(lines.flatMap((line) => [line, newline]));
}

async function stockLogs({ disk, folder }: SetAsideOptions): Promise<string[]> {
  const names = (await disk.list(folder)).filter((name) => {
    const family = parseChangelogName(name)?.family;
    return family === 'changelog' || family === 'changelog_ml';
  });
  return names.map((name) => inFolder(folder, name));
}

/** A file holds consecutive changes of one history: from the first line that was set aside on, all were. */
async function cutLog({ disk, report }: SetAsideOptions, path: string, lines: ReadonlyMap<number, Buffer>) {
  const file = await disk.open(path, 'readwrite');
  try {
    const position = await firstAmong(file, lines);
    if (position === undefined) return;
    await file.truncate(position);
    await file.datasync();
    report.info(`${path}: cut off behind ${position} bytes`);
  } finally {
    await file.close();
  }
  await disk.remove(path.replace(CHECKSUMS, '.sum'));
}

/** Where the first of these lines begins in a file; undefined: none is there. */
async function firstAmong(file: DiskFile, lines: ReadonlyMap<number, Buffer>): Promise<number | undefined> {
  const size = await file.size();
  let rest = Buffer.alloc(0);
  let position = 0;
  for (let at = 0; at < size && rest.length <= LONGEST_LINE_BYTES; ) {
    const block = await file.read(at, Math.min(BLOCK_BYTES, size - at));
    if (block.length === 0) return undefined;
    at += block.length;
    const bytes = rest.length === 0 ? block : Buffer.concat([rest, block]);
    let start = 0;
    for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, start)) {
      if (isAmong(bytes.subarray(start, end), lines)) return position + start;
      start = end + 1;
    }
    position += start;
    rest = Buffer.from(bytes.subarray(start));
  }
  return undefined;
}

function isAmong(line: Buffer, lines: ReadonlyMap<number, Buffer>): boolean {
  const colon = line.indexOf(COLON);
  return colon > 0 && lines.get(Number(line.toString('latin1', 0, colon)))?.equals(line) === true;
}
