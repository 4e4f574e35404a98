/** `mfsmetadirinfo`: sums over sub-trees of a metadata image (spec 50 §9.2, 60 §10.2). */
import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { parseImageFile } from '@alces/journal';
import { loadImage, type State } from '@alces/metadata';
import { realClock, realDisk, reasonOf } from '@alces/runtime';
import { getopt } from './offline/getopt.ts';
import { processIo, type ToolIo } from './offline/io.ts';
import { findPath, markSubtree, sumMarked } from './offline/subtree.ts';
import { formatReport, type ReportFormat, type SubtreeResult } from './offline/subtreeReport.ts';

const USAGE = 'usage: mfsmetadirinfo [-f J|C[separator]] [-o outputfile] [-a sum_name] metadata.mfs PATH ...\n';

/** The value of `-f`; undefined if it is none. */
function parseFormat(text: string): ReportFormat | undefined {
  switch (text.slice(0, 1).toLowerCase()) {
    case 'j':
      return { kind: 'json' };
    case 'c':
      return { kind: 'csv', separator: text.slice(1, 2) || ',' };
    default:
      return undefined;
  }
}

function sumPaths(state: State, paths: readonly string[], sumName: string | undefined, io: ToolIo): SubtreeResult[] {
  const all = new Uint8Array(state.nodes.rowLimit);
  const results = paths.map((path): SubtreeResult => {
    const row = findPath(state, path);
    if (row === 0) {
      io.error(`path '${path}': no such file or directory\n`);
      return { path, sums: undefined };
    }
    const marks = new Uint8Array(state.nodes.rowLimit);
    markSubtree(state, row, marks);
    markSubtree(state, row, all);
    return { path, sums: sumMarked(state, marks) };
  });
  return sumName === undefined ? results : [{ path: sumName, sums: sumMarked(state, all) }, ...results];
}

async function load(file: string, io: ToolIo): Promise<State | undefined> {
  try {
    const { state } = await parseImageFile(realDisk, resolve(file), (input) =>
      loadImage(input, { now: realClock.unixSeconds(), ignoreErrors: true }),
    );
    return state;
  } catch (error) {
    io.error(`error opening metadata file '${file}': ${reasonOf(error)}\n`);
    return undefined;
  }
}

/** Returns the exit status: 1 for wrong usage, and when the image cannot be read or the result not written. */
export async function main(argv: readonly string[], io: ToolIo = processIo()): Promise<number> {
  const { options, operands, problem } = getopt('mfsmetadirinfo', 'f:o:a:', argv);
  const optionValue = (wanted: string) => options.findLast(({ letter }) => letter === wanted)?.value;
  const formatText = optionValue('f');
  const format: ReportFormat | undefined = formatText === undefined ? { kind: 'text' } : parseFormat(formatText);
  if (format === undefined) io.error("unrecognized format - use 'j' for JSON and 'c' for CSV\n");
  if (problem !== undefined) io.error(`${problem}\n`);
  const [file, ...paths] = operands;
  if (format === undefined || problem !== undefined || file === undefined) {
    io.out(USAGE);
    return 1;
  }
  const state = await load(file, io);
  if (state === undefined) return 1;
  const text = formatReport(sumPaths(state, paths, optionValue('a'), io), format);
  const target = optionValue('o');
  if (target === undefined) {
    io.out(text);
    return 0;
  }
  try {
    await writeFile(target, text);
    return 0;
  } catch (error) {
    io.error(`error opening output file '${target}': ${reasonOf(error)}\n`);
    return 1;
  }
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
