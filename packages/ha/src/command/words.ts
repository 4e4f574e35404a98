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

/** How far an amount of work is, in DRBD's manner: a bar, percent, speed, time to the finish. */
export function progressLine(doneBytes: number, totalBytes: number, elapsedMs: number): string {
  const part = totalBytes > 0 ? Math.min(1, doneBytes / totalBytes) : 0;
  const filled = Math.round(part * BAR_CELLS);
  const bar = `[${'='.repeat(Math.max(0, filled - 1))}${filled > 0 ? '>' : ''}${'.'.repeat(BAR_CELLS - filled)}]`;
  const bytesPerMs = elapsedMs > 0 ? doneBytes / elapsedMs : 0;
  const finish = bytesPerMs > 0 ? formatDuration((totalBytes - doneBytes) / bytesPerMs) : 'unknown';
  const amount = `${formatBytes(doneBytes)} of ${formatBytes(totalBytes)}`;
  return `${bar} sync'ed: ${(part * 100).toFixed(1)}% (${amount})  speed: ${formatBytes(Math.round(bytesPerMs * 1000))}/s  finish: ${finish}`;
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
