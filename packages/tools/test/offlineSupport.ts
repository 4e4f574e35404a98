import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ToolIo } from '../src/offline/io.ts';

const FIXTURES = fileURLToPath(new URL('../../../test/fixtures/moosefs-3.0.117/', import.meta.url));

export function fixturePath(name: string): string {
  return join(FIXTURES, name);
}

export function fixture(name: string): Buffer {
  return readFileSync(fixturePath(name));
}

export interface Run {
  status: number;
  out: string;
  error: string;
}

type Main = (argv: readonly string[], io: ToolIo) => Promise<number>;

/** Runs a tool; its output, one character per byte. */
export async function run(main: Main, args: readonly string[], interactive = false): Promise<Run> {
  const out: Buffer[] = [];
  const error: string[] = [];
  const status = await main(args, {
    out: (text) => out.push(Buffer.from(text)),
    error: (text) => error.push(text),
    interactive,
  });
  return { status, out: Buffer.concat(out).toString('latin1'), error: error.join('') };
}

export async function inFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'alces-tools-'));
  try {
    await use(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
