/** The three forms in which mfsmetadirinfo prints its sums. */
import type { SubtreeSums } from './subtree.ts';

export interface SubtreeResult {
  path: string;
  /** Undefined: there is no such path. */
  sums: SubtreeSums | undefined;
}

export type ReportFormat = { kind: 'text' } | { kind: 'json' } | { kind: 'csv'; separator: string };

const UNITS = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'];
const RULE = '-'.repeat(30);

/** A number of bytes in five columns, unit included, and `B` (spec 60 §7.3). */
export function humanBytes(bytes: number): string {
  let hundredths = BigInt(bytes) * 100n;
  let unit = 0;
  for (; hundredths >= 99_950n; unit++) hundredths /= 1024n;
  const text =
    unit > 0 && hundredths < 995n
      ? `${(Number(hundredths) / 100).toFixed(1)}${UNITS[unit]}`
      : `${(hundredths + 50n) / 100n}${UNITS[unit]}`;
  return `${text.padStart(5)}B`;
}

function textReport(results: readonly SubtreeResult[]): string {
  const bytes = (label: string, value: number) => `${label}: ${value} = ${humanBytes(value)}\n`;
  let text = `${RULE}\n`;
  for (const { path, sums } of results) {
    text += `path: ${path}\n`;
    if (sums === undefined) {
      text += `path not found !!!\n${RULE}\n`;
      continue;
    }
    text += `inodes: ${sums.inodes}\n files: ${sums.files}\n dirs: ${sums.directories}\n`;
    text += `chunks: ${sums.chunks}\n keep chunks: ${sums.keepChunks}\n arch chunks: ${sums.archiveChunks}\n`;
    text += bytes('length', sums.length) + bytes('size', sums.size) + bytes('keep size', sums.keepSize);
    text += `${bytes('arch size', sums.archiveSize) + bytes('real size', sums.realSize)}${RULE}\n`;
  }
  return text;
}

function jsonReport(results: readonly SubtreeResult[]): string {
  const report: Record<string, Record<string, number>> = {};
  for (const { path, sums } of results) {
    report[path] = {
      inodes: sums?.inodes ?? 0,
      files: sums?.files ?? 0,
      dirs: sums?.directories ?? 0,
      chunks: sums?.chunks ?? 0,
      kchunks: sums?.keepChunks ?? 0,
      achunks: sums?.archiveChunks ?? 0,
      length: sums?.length ?? 0,
      size: sums?.size ?? 0,
      rsize: sums?.realSize ?? 0,
      ksize: sums?.keepSize ?? 0,
      asize: sums?.archiveSize ?? 0,
      error: sums === undefined ? 1 : 0,
    };
  }
  return `${JSON.stringify(report, undefined, '\t')}\n`;
}

const CSV_COLUMNS = [
  'inodes',
  'files',
  'dirs',
  'chunks',
  'keep_chunks',
  'arch_chunks',
  'length',
  'size',
  'real_size',
  'keep_size',
  'arch_size',
];

function csvReport(results: readonly SubtreeResult[], separator: string): string {
  const rows = results.map(({ path, sums }) => {
    const values =
      sums === undefined
        ? CSV_COLUMNS.map(() => 'error')
        : [
            sums.inodes,
            sums.files,
            sums.directories,
            sums.chunks,
            sums.keepChunks,
            sums.archiveChunks,
            sums.length,
            sums.size,
            sums.realSize,
            sums.keepSize,
            sums.archiveSize,
          ];
    return [`"${path}"`, ...values].join(separator);
  });
  return `${[['path', ...CSV_COLUMNS].join(separator), ...rows].join('\n')}\n`;
}

export function formatReport(results: readonly SubtreeResult[], format: ReportFormat): string {
  if (format.kind === 'text') return textReport(results);
  return format.kind === 'json' ? jsonReport(results) : csvReport(results, format.separator);
}
