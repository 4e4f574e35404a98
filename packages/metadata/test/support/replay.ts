import {
  type ApplyMode,
  apply,
  dumpImage,
  imageBytes,
  parseChangelogLine,
  parseWhole,
  type State,
} from '../../src/index.ts';

/** Lines of the dump of an image, as the stock dump tool prints them. */
export function dumpLines(image: Buffer): string[] {
  const lines: string[] = [];
  parseWhole(image, (input) =>
    dumpImage(input, {
      line: (text) => lines.push(text),
      error: (text) => {
        throw new Error(text);
      },
    }),
  );
  return lines;
}

/** Dump of a state. */
export function dumpState(state: State, now: number): string[] {
  return dumpLines(imageBytes(state, { now }).image);
}

/** Applies the lines of a change log that the state does not contain yet; throws at the first that fails. */
export function replayLog(state: State, log: Buffer, mode: ApplyMode): void {
  let start = 0;
  for (let end = log.indexOf(10); end >= 0; end = log.indexOf(10, start)) {
    const { version, timestamp, operation } = parseChangelogLine(log, start, end);
    if (version >= state.metaversion) {
      const status = version === state.metaversion ? apply(state, timestamp, operation, mode) : -1;
      if (status !== 0 || state.metaversion !== version + 1) {
        throw new Error(`status ${status} (version ${state.metaversion}) at ${log.toString('latin1', start, end)}`);
      }
    }
    start = end + 1;
  }
}

/** Lines that differ between two dumps, regarded as sets without those that `ignore` matches. */
export function differences(actual: string[], expected: string[], ignore: RegExp): string[] {
  const a = new Set(actual.filter((line) => !ignore.test(line)));
  const b = new Set(expected.filter((line) => !ignore.test(line)));
  return [
    ...[...a].filter((line) => !b.has(line)).map((line) => `+ ${line}`),
    ...[...b].filter((line) => !a.has(line)).map((line) => `- ${line}`),
  ];
}
