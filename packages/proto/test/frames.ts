/** The frames recorded from stock daemons. */
import { readFileSync } from 'node:fs';
import { type Direction, findMessage, type Link, type Message } from '../src/index.ts';

const ROOT = new URL('../../../test/fixtures/moosefs-3.0.117/', import.meta.url);

const FILES: Readonly<Record<string, Link>> = {
  'client-master': 'CL',
  'chunkserver-master': 'CS',
  'client-chunkserver': 'DATA',
  'metalogger-master': 'ML',
};

export interface RecordedFrame {
  readonly link: Link;
  readonly direction: Direction;
  readonly type: number;
  readonly name: string;
  readonly lengthBytes: number;
  readonly payload: Buffer;
  /** Only the beginning of the payload was recorded. */
  readonly isTruncated: boolean;
}

interface JsonFrame {
  readonly dir: Direction;
  readonly type: number;
  readonly name: string;
  readonly length: number;
  readonly hex: string;
  readonly truncated?: boolean;
}

function readFrames(folder: string, file: string, link: Link): RecordedFrame[] {
  const lines = readFileSync(new URL(`${folder}/${file}.jsonl`, ROOT), 'utf8')
    .trimEnd()
    .split('\n');
  return lines.map((line) => {
    const json = JSON.parse(line) as JsonFrame;
    return {
      link,
      direction: json.dir,
      type: json.type,
      name: json.name,
      lengthBytes: json.length,
      payload: Buffer.from(json.hex, 'hex'),
      isTruncated: json.truncated === true,
    };
  });
}

export const RECORDED: readonly RecordedFrame[] = ['frames-1', 'frames-2'].flatMap((folder) =>
  Object.entries(FILES).flatMap(([file, link]) => readFrames(folder, file, link)),
);

export function messageOf({ link, direction, type, name }: RecordedFrame): Message<unknown> {
  const message = findMessage(link, direction, type);
  if (message === undefined) throw new Error(`unknown message ${type} ${name} on ${link}, ${direction}`);
  return message;
}
