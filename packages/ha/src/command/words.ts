const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

/** `1.5 MiB`. */
export function formatBytes(bytes: number): string {
  const power = Math.min(UNITS.length - 1, bytes < 1 ? 0 : Math.floor(Math.log2(bytes) / 10));
  const value = bytes / 1024 ** power;
  return `${power === 0 ? value : value.toFixed(1)} ${UNITS[power]}`;
}

/** `0:01:30`. */
export function formatDuration(durationMs: number): string {
  const seconds = Math.max(0, Math.ceil(durationMs / 1000));
  const two = (value: number) => String(value).padStart(2, '0');
  return `${Math.floor(seconds / 3600)}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
}

/** Local time, to the millisecond: `2026-11-21 04:00:24.123`. */
export function formatTime(timeMs: number): string {
  const date = new Date(timeMs);
  const two = (value: number, digits = 2) => String(value).padStart(digits, '0');
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${two(date.getMilliseconds(), 3)}`;
}

const BAR_CELLS = 20;

/** How far something is, in DRBD's manner: a bar, percent, speed, time to the finish. `perMs` 0: not known. */
function bar(done: number, total: number, perMs: number, amount: string, speed: string): string {
  const part = total > 0 ? Math.min(1, done / total) : 0;
  const filled = Math.round(part * BAR_CELLS);
  const cells = `[${'='.repeat(Math.max(0, filled - 1))}${filled > 0 ? '>' : ''}${'.'.repeat(BAR_CELLS - filled)}]`;
  const finish = perMs > 0 ? formatDuration((total - done) / perMs) : 'unknown';
  return `${cells} sync'ed: ${(part * 100).toFixed(1)}% (${amount})  speed: ${speed}/s  finish: ${finish}`;
}

/** How far an image on its way is. */
export function progressLine(doneBytes: number, totalBytes: number, elapsedMs: number): string {
  const perMs = elapsedMs > 0 ? doneBytes / elapsedMs : 0;
  const amount = `${formatBytes(doneBytes)} of ${formatBytes(totalBytes)}`;
  return bar(doneBytes, totalBytes, perMs, amount, formatBytes(Math.round(perMs * 1000)));
}

/** How far a journal is that catches up with another one, change by change. `beforeVersion`: where it was `elapsedMs` ago. */
export function catchUpLine(version: number, total: number, beforeVersion: number, elapsedMs: number): string {
  const perMs = elapsedMs > 0 ? Math.max(0, version - beforeVersion) / elapsedMs : 0;
  return bar(version, total, perMs, `change ${version} of ${total}`, `${Math.round(perMs * 1000)} changes`);
}

/** Columns as wide as their widest cell, two spaces between them. */
export function formatTable(rows: readonly (readonly string[])[]): string {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
