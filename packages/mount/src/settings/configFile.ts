import { readFileSync } from 'node:fs';
import { UsageError } from './usageError.ts';

const DEFAULT_FILES = ['/etc/mfs/mfsmount.cfg', '/etc/mfsmount.cfg'];
const MAX_LINE_CHARACTERS = 998;
/** What a shell shows for a program that ended by SIGABRT, as the stock mount does here. */
const ABORTED = 134;

export interface MountConfig {
  /** Command-line arguments that the file stands for. */
  args: string[];
  /** Default mount point. */
  mountpoint: string | undefined;
}

/** Lines of an mfsmount.cfg (spec 60 §5.3). */
export function parseMountConfig(text: string): MountConfig {
  const config: MountConfig = { args: [], mountpoint: undefined };
  for (const line of text.split('\n')) {
    if (line.startsWith('#') || line.startsWith(';')) continue;
    const word = line.slice(0, MAX_LINE_CHARACTERS).trim();
    if (word === '') continue;
    if (word.startsWith('/')) config.mountpoint = word;
    else if (word.startsWith('-')) config.args.push(word);
    else config.args.push('-o', word);
  }
  return config;
}

function readOptional(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

function readGiven(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const text =
      code === 'ENOENT' ? `cfg file (${file}) doesn't exist` : `can't open cfg file (${file}), error: ${message}`;
    throw new UsageError(text, { exitCode: ABORTED });
  }
}

/** The files named on the command line, else the default one if it exists. */
export function readMountConfig(files: readonly string[], note: (text: string) => void): MountConfig {
  const whole: MountConfig = { args: [], mountpoint: undefined };
  const add = (text: string): void => {
    const { args, mountpoint } = parseMountConfig(text);
    whole.args.push(...args);
    whole.mountpoint = mountpoint ?? whole.mountpoint;
  };
  for (const file of files) add(readGiven(file));
  if (files.length > 0) return whole;
  for (const file of DEFAULT_FILES) {
    const text = readOptional(file);
    if (text === undefined) continue;
    if (file !== DEFAULT_FILES[0]) note(`default cfg file has moved: please move ${file} to ${DEFAULT_FILES[0]}`);
    add(text);
    break;
  }
  return whole;
}
