/** A line of a change log. */
export interface Line {
  version: number;
  /** Without version and newline. */
  text: Buffer;
}

const NEWLINE = 10;
const LONGEST_VERSION_DIGITS = 16;

/** The line between two places, undefined if it has no version. */
function lineAt(bytes: Buffer, start: number, end: number): Line | undefined {
  const head = bytes.toString('latin1', start, Math.min(end, start + LONGEST_VERSION_DIGITS + 2));
  const match = /^([1-9]\d*): /.exec(head);
  if (match === null) return undefined;
  const version = Number(match[1]);
  return Number.isSafeInteger(version) ? { version, text: bytes.subarray(start + match[0].length, end) } : undefined;
}

/** The whole lines of a piece of a change log that begins with a line; lines without version are left out. */
export function wholeLines(bytes: Buffer): Line[] {
  const lines: Line[] = [];
  let start = 0;
  for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, start)) {
    const line = lineAt(bytes, start, end);
    if (line !== undefined) lines.push(line);
    start = end + 1;
  }
  return lines;
}
