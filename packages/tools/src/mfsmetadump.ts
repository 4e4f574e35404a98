/** `mfsmetadump`: prints a metadata image as text (spec 50 §9.1, 60 §10.1). */
import { resolve } from 'node:path';
import { parseImageFile } from '@alces/journal';
import { dumpImage } from '@alces/metadata';
import { realDisk } from '@alces/runtime';
import { getopt } from './offline/getopt.ts';
import { LineOutput, processIo, type ToolIo } from './offline/io.ts';

const USAGE = `usage: mfsmetadump [-d] [-s section to dump] metadata.mfs
options:
	d: print dot instead of non printable characters
	s: dump only given section
section names:
	HEAD - header info
	SESS - client sessions
	LABS - labels (not used)
	SCLA - storage classes
	NODE - tree nodes (i-nodes)
	EDGE - tree edges (file names)
	FREE - free nodes (deleted i-nodes)
	QUOT - quota definitions
	XATR - xattr data
	PACL - posix acl data
	OPEN - open files
	FLCK - flock data
	PLCK - posix locks (lockf,ioctl) data
	CSDB - active chunkservers
	CHNK - chunks
`;
const SECTION_NAME_LENGTH = 4;

/** Returns the exit status: 0, or 1 for wrong usage and files that cannot be read to their end. */
export async function main(argv: readonly string[], io: ToolIo = processIo()): Promise<number> {
  const { options, operands, problem } = getopt('mfsmetadump', 'ds:', argv);
  const only = options.findLast(({ letter }) => letter === 's')?.value;
  if (only !== undefined && only.length !== SECTION_NAME_LENGTH) io.out('wrong section name\n');
  if (problem !== undefined) io.error(`${problem}\n`);
  if (problem !== undefined || operands.length === 0 || (only !== undefined && only.length !== SECTION_NAME_LENGTH)) {
    io.out(USAGE);
    return 1;
  }
  const output = new LineOutput(io);
  try {
    return await parseImageFile(realDisk, resolve(operands[0]), (input) =>
      dumpImage(input, {
        dots: options.some(({ letter }) => letter === 'd'),
        ...(only === undefined ? {} : { only }),
        line: (text) => output.line(text),
        error: (text) => io.error(`${text}\n`),
      }),
    );
  } catch (error) {
    output.line("can't open metadata file");
    if (error instanceof Error) io.error(`${operands[0]}: ${error.message}\n`);
    return 1;
  } finally {
    output.flush();
  }
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
