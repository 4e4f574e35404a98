/**
 * `mfsmetarestore`: applies change logs to a metadata image, as users of 1.6 know it (spec 50 §7.5, 60 §12.3). It reads every image
 * format and writes that of 3.0.
 */
import { chmod, chown, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import {
  BACKUP_NAME,
  checkImage,
  findChangelogs,
  IMAGE_NAME,
  inFolder,
  METALOGGER_BACKUP_NAME,
  parseImageFile,
  type Recovered,
  ReplayError,
  type Reporter,
  readHistory,
  recover,
  tellSources,
  writeImageFile,
} from '@alces/journal';
import { dumpImage, ImageError, imageChunks } from '@alces/metadata';
import { realClock, realDisk, reasonOf } from '@alces/runtime';
import { getopt } from './offline/getopt.ts';
import { LineOutput, processIo, type ToolIo } from './offline/io.ts';
import { ProgressLine } from './offline/progress.ts';

const VERSION_TEXT = '3.0.117';
const DEFAULT_DATA_PATH = '/var/lib/mfs';
const USAGE = `restore metadata:
	mfsmetarestore [-f] [-b] [-i] [-x [-x]] -m <image> -o <new image> [ <change log> ... ]
dump metadata:
	mfsmetarestore [-i] -m <image>
restore metadata from the files of a data path:
	mfsmetarestore [-f] [-b] [-i] [-x [-x]] -a [-d <data path>]
print version:
	mfsmetarestore -v

-x : show which change logs are used, and every change
-xx : show also what is known of every image
-f : use change logs that end before the image, too
-b : if the change logs can't be applied wholly, save the best possible state
-i : ignore damage in the structure of the image (attach lost nodes to the root, leave out names without node, ...)
`;

interface Task {
  image: string;
  /** Undefined: print the image instead. */
  target: string | undefined;
  changelogs: string[];
  /** What is at the target is kept beside it. */
  keepsOld: boolean;
  useAll: boolean;
  useBest: boolean;
  ignoreErrors: boolean;
  verbosity: number;
}

/** A message for the user that ends the program with status 1. */
class Failure extends Error {}

function usageError(io: ToolIo): undefined {
  io.error(USAGE);
  return undefined;
}

/** Image and change logs of a data path. */
async function filesOf(folder: string, io: ToolIo): Promise<{ image: string; changelogs: string[] }> {
  let image = inFolder(folder, BACKUP_NAME);
  if (!(await realDisk.exists(image))) {
    io.error(`file '${BACKUP_NAME}' not found - will try '${METALOGGER_BACKUP_NAME}' instead\n`);
    image = inFolder(folder, METALOGGER_BACKUP_NAME);
    if (!(await realDisk.exists(image))) throw new Failure("can't find backed up metadata file !!!");
  }
  const changelogs = await findChangelogs(realDisk, folder, ['changelog', 'changelog_ml', 'changelog_ml_back']).catch(
    () => {
      throw new Failure("can't open data directory");
    },
  );
  if (changelogs.length === 0) throw new Failure('changelog files not found');
  return { image, changelogs };
}

/** What the command line asks for; undefined: it is wrong, and was answered. */
async function parseTask(argv: readonly string[], io: ToolIo): Promise<Task | 'version' | undefined> {
  const { options, operands, problem } = getopt('mfsmetarestore', 'vm:o:d:abfix?h', argv);
  const has = (wanted: string) => options.some(({ letter }) => letter === wanted);
  const optionValue = (wanted: string) => options.findLast(({ letter }) => letter === wanted)?.value;
  if (problem !== undefined) io.error(`${problem}\n`);
  if (problem !== undefined || has('?') || has('h')) return usageError(io);
  if (has('v')) return 'version';
  const image = optionValue('m');
  const target = optionValue('o');
  const common = {
    useAll: has('f'),
    useBest: has('b'),
    ignoreErrors: has('i'),
    verbosity: options.filter(({ letter }) => letter === 'x').length,
  };
  if (has('a')) {
    if (image !== undefined || target !== undefined || operands.length > 0) return usageError(io);
    const folder = resolve(optionValue('d') ?? DEFAULT_DATA_PATH);
    return { ...common, ...(await filesOf(folder, io)), target: inFolder(folder, IMAGE_NAME), keepsOld: true };
  }
  const printsOnly = target === undefined;
  if (image === undefined || has('d') || (printsOnly && (operands.length > 0 || common.useAll || common.useBest))) {
    return usageError(io);
  }
  return {
    ...common,
    keepsOld: false,
    image: resolve(image),
    target: target === undefined ? undefined : resolve(target),
    changelogs: operands.map((name) => resolve(name)),
  };
}

async function printImage(task: Task, io: ToolIo): Promise<number> {
  const output = new LineOutput(io);
  try {
    return await parseImageFile(realDisk, task.image, (input) =>
      dumpImage(input, { line: (text) => output.line(text), error: (text) => io.error(`${text}\n`) }),
    );
  } finally {
    output.flush();
  }
}

function reporter(io: ToolIo, progress: ProgressLine): Reporter {
  const say = (text: string) => {
    progress.clear();
    io.error(`${text}\n`);
  };
  return { info: say, warn: say, error: say };
}

async function applyChangelogs(task: Task, io: ToolIo, progress: ProgressLine): Promise<Recovered> {
  const report = reporter(io, progress);
  const check = await checkImage(realDisk, task.image);
  if (check.result !== 'ok') {
    const reason = check.result === 'unreadable' ? check.reason : check.result;
    throw new Failure(`can't read metadata from file: ${task.image} (${reason})`);
  }
  const history = await readHistory({
    disk: realDisk,
    paths: task.changelogs,
    version: check.version,
    all: task.useAll,
    verbose: task.verbosity > 0,
    report,
  });
  return recover(task.image, history, {
    disk: realDisk,
    now: realClock.unixSeconds(),
    clockMs: () => realClock.monotonicMs(),
    ignoreErrors: task.ignoreErrors,
    useBest: task.useBest,
    report,
    progress: (version, first, last) => progress.update(version, first, last),
    ...(task.verbosity > 0 ? { line: (file, version, text) => io.out(`${file}: ${version}: ${text}\n`) } : {}),
  });
}

/** A newer image that is there already would be lost. */
async function refuseOlder({ loaded }: Recovered, target: string): Promise<void> {
  const present = await checkImage(realDisk, target);
  if (present.result !== 'ok' || present.version <= loaded.state.metaversion) return;
  throw new Failure(
    `${target} exists and is newer (version ${present.version}) than the result (version ${loaded.state.metaversion}) - move it away first`,
  );
}

/** Gives a file the rights of another, and its owner if that is allowed: the master of that owner has to read it. */
async function belongAs(path: string, other: string): Promise<void> {
  const { uid, gid, mode } = await stat(other);
  await chmod(path, mode & 0o666);
  if (process.getuid?.() === 0) await chown(path, uid, gid);
}

/** Writes the result beside its place and renames it, so that a failure leaves what was there. */
async function store({ loaded }: Recovered, { image, keepsOld }: Task, target: string): Promise<void> {
  const temporary = `${target}.tmp`;
  const serializer = imageChunks(loaded.state, { now: realClock.unixSeconds(), carried: loaded.carried });
  try {
    await writeImageFile(realDisk, temporary, serializer);
    await belongAs(temporary, image);
    if (keepsOld && (await realDisk.exists(target))) await realDisk.rename(target, `${target}.old`);
    await realDisk.rename(temporary, target);
    await realDisk.syncFolder(dirname(target));
  } catch (error) {
    await realDisk.remove(temporary).catch(() => undefined);
    throw new Failure(`can't store metadata into file: ${target} (${reasonOf(error)})`);
  }
}

async function restore(task: Task, target: string, io: ToolIo): Promise<number> {
  const progress = new ProgressLine(io, () => realClock.monotonicMs());
  const recovered = await applyChangelogs(task, io, progress);
  const report = reporter(io, progress);
  tellSources(task.image, recovered, report);
  if (recovered.problem !== undefined) report.error(`${recovered.problem}\nsaving the best possible state`);
  await refuseOlder(recovered, target);
  await store(recovered, task, target);
  io.out(`store metadata into file: ${target}\n`);
  return 0;
}

function failureText(error: unknown, task: Task | undefined): string {
  if (error instanceof Failure) return error.message;
  if (error instanceof ReplayError)
    return `${error.message}\nnothing was stored (option '-b' stores the state before this)`;
  if (error instanceof ImageError)
    return `can't read metadata from file: ${task?.image}: ${error.message}\nanother image, such as a metalogger's or metadata.mfs.back.1, can be given with option '-m'`;
  if (error instanceof Error && 'code' in error) return error.message;
  throw error;
}

/** Returns the exit status: 0 when what was asked for was done. */
export async function main(argv: readonly string[], io: ToolIo = processIo()): Promise<number> {
  let task: Task | 'version' | undefined;
  try {
    task = await parseTask(argv, io);
    if (task === undefined) return 1;
    if (task === 'version') {
      io.out(`version: ${VERSION_TEXT}\n`);
      return 0;
    }
    return task.target === undefined ? await printImage(task, io) : await restore(task, task.target, io);
  } catch (error) {
    io.error(`${failureText(error, typeof task === 'object' ? task : undefined)}\n`);
    return 1;
  }
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
