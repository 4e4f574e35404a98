import { resolve } from 'node:path';
import { parseImageFile } from '@alces/journal';
import { dumpImage } from '@alces/metadata';
import { realDisk } from '@alces/runtime';

/** Lines that describe the file rather than the file system: headings, lengths and hash sizes. */
const isRecord = (line: string) => line !== '' && !line.startsWith('#');

/** An image as a bag of dump lines: how often each stands in it. Throws when the image can't be read to its end. */
async function recordsOf(path: string): Promise<Map<string, number>> {
  const records = new Map<string, number>();
  let complaint = '';
  const status = await parseImageFile(realDisk, resolve(path), (input) =>
    dumpImage(input, {
      dots: false,
      line: (text) => {
        if (isRecord(text)) records.set(text, (records.get(text) ?? 0) + 1);
      },
      error: (text) => {
        complaint += `${text}\n`;
      },
    }),
  );
  if (status !== 0) throw new Error(`${path}: not a readable metadata image\n${complaint}`);
  return records;
}

/**
 * `alces meta diff A B`: the records that stand in only one of two images, as `mfsmetadump` prints them, whatever their order. Answers 0 when the
 * images describe the same file system, 1 when they differ.
 */
export async function metaDiff(operands: readonly string[]): Promise<number> {
  const [first, second] = operands;
  if (operands.length !== 2 || first === undefined || second === undefined) throw new Error('diff needs two images');
  const before = await recordsOf(first);
  const after = await recordsOf(second);
  let differences = 0;
  const print = (sign: string, from: ReadonlyMap<string, number>, other: ReadonlyMap<string, number>) => {
    for (const [line, count] of from) {
      for (let surplus = count - (other.get(line) ?? 0); surplus > 0; surplus--) {
        differences++;
        process.stdout.write(`${sign} ${line}\n`);
      }
    }
  };
  print('-', before, after);
  print('+', after, before);
  return differences === 0 ? 0 : 1;
}
