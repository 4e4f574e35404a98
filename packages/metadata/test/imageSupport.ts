import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { dumpImage, type LoadOptions, loadImageFrom, parseWhole, type State } from '../src/index.ts';

const FIXTURES = new URL('../../../test/fixtures/moosefs-3.0.117/', import.meta.url);

export function fixture(name: string): Buffer {
  return readFileSync(new URL(name, FIXTURES));
}

/** A temporary folder for the time of a call. */
export function withFolder<T>(use: (folder: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), 'alces-metadata-'));
  try {
    return use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export interface Dump {
  status: number;
  lines: string[];
  errors: string[];
}

/** Our text dump of an image. */
export function dump(image: Buffer, options: { dots?: boolean; only?: string } = {}): Dump {
  const lines: string[] = [];
  const errors: string[] = [];
  const status = parseWhole(image, (input) =>
    dumpImage(input, { ...options, line: (text) => lines.push(text), error: (text) => errors.push(text) }),
  );
  return { status, lines, errors };
}

/** What the stock mfsmetadump prints of an image. */
export function stockDump(image: Buffer, args: string[] = []): { status: number; lines: string[] } {
  return withFolder((folder) => {
    const path = join(folder, 'image');
    writeFileSync(path, image);
    let status = 0;
    let text: Buffer;
    try {
      text = execFileSync('mfsmetadump', [...args, path], { stdio: ['ignore', 'pipe', 'ignore'], maxBuffer: 1 << 28 });
    } catch (error) {
      const failed = error as { status: number; stdout: Buffer };
      status = failed.status;
      text = failed.stdout;
    }
    return { status, lines: text.toString('latin1').split('\n').slice(0, -1) };
  });
}

/** Lines that say something about the content: without headers, whose lengths may differ, in an order of their own. */
export function recordLines(lines: readonly string[]): string[] {
  return lines.filter((line) => !line.startsWith('# section header')).sort();
}

export interface Loaded {
  state: State;
  renumberEdges: boolean;
  notices: string[];
  carried: { title: string; payload: Buffer }[];
}

export const NOW = 1_795_300_000;

export function load(image: Buffer, options: Partial<LoadOptions> = {}): Loaded {
  const notices: string[] = [];
  const { state, renumberEdges, carried } = loadImageFrom(image, {
    now: NOW,
    notice: (text) => notices.push(text),
    ...options,
  });
  return { state, renumberEdges, notices, carried };
}

export interface Section {
  tag: string;
  version: number;
  payload: Buffer;
}

/** Takes an image of the current format apart. */
export function split(image: Buffer): { head: Buffer; sections: Section[] } {
  const sections: Section[] = [];
  let at = 24;
  while (image.toString('latin1', at, at + 16) !== '[MFS EOF MARKER]') {
    const length = Number(image.readBigUInt64BE(at + 8));
    sections.push({
      tag: image.toString('latin1', at, at + 4),
      version: ((image[at + 5]! - 48) << 4) | (image[at + 7]! - 48),
      payload: image.subarray(at + 16, at + 16 + length),
    });
    at += 16 + length;
  }
  return { head: image.subarray(0, 24), sections };
}

/** Puts sections together; `lengths: false` writes all-ones lengths. */
export function assemble(head: Buffer, sections: readonly Section[], lengths = true): Buffer {
  const parts = [head];
  for (const { tag, version, payload } of sections) {
    const header = Buffer.alloc(16);
    header.write(`${tag} ${version >> 4}.${version & 15}`, 'latin1');
    header.writeBigUInt64BE(lengths ? BigInt(payload.length) : 0xffff_ffff_ffff_ffffn, 8);
    parts.push(header, payload);
  }
  return Buffer.concat([...parts, Buffer.from('[MFS EOF MARKER]')]);
}

/** The image with sections changed by tag; a changed section without tag is left out. */
export function edit(image: Buffer, change: (section: Section) => Section | undefined): Buffer {
  const { head, sections } = split(image);
  return assemble(
    head,
    sections.flatMap((section) => change(section) ?? []),
  );
}
