import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { OptionValues } from './options.ts';
import { UsageError } from './usageError.ts';

const MD5_HEX = /^[0-9a-fA-F]{32}$/;
const CTRL_C = '\u0003';
const CTRL_D = '\u0004';
const BACKSPACES = '\u007f\b';

export function md5(text: Buffer | string): Buffer {
  return createHash('md5').update(text).digest();
}

/**
 * The first line of a password file, all of it: the stock mount drops its last character, so a file written for that one carries one
 * character too many (spec 60 §5.4).
 */
function fromFile(file: string): Buffer {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    throw new UsageError(`error opening password file: ${file}`);
  }
  if (text === '') throw new UsageError(`password file (${file}) is empty`);
  const line = text.split('\n')[0].replace(/\r$/, '');
  if (line === '') throw new UsageError(`first line in password file (${file}) is empty`);
  return md5(line);
}

/** MD5 of the password that the options give; undefined: none. Wipes the options, so that `.params` does not show it. */
export function takePasswordDigest(options: OptionValues): Buffer | undefined {
  const { mfspassword, mfsmd5pass, mfspassfile } = options;
  if (mfspassfile !== undefined && (mfspassword !== undefined || mfsmd5pass !== undefined)) {
    throw new UsageError('mfspassfile option is mutually exclusive with mfspassword and mfsmd5pass');
  }
  if (mfspassword !== undefined) options.mfspassword = '';
  if (mfsmd5pass !== undefined) options.mfsmd5pass = '';
  if (mfspassfile !== undefined) return fromFile(mfspassfile);
  if (mfspassword !== undefined) return md5(mfspassword);
  if (mfsmd5pass === undefined) return undefined;
  if (!MD5_HEX.test(mfsmd5pass)) throw new UsageError('bad md5 definition (md5 should be given as 32 hex digits)');
  return Buffer.from(mfsmd5pass, 'hex');
}

/** Asks on the terminal, without echo. Without a terminal the first line of standard input is taken. */
export function promptPassword(): Promise<string> {
  const { stdin } = process;
  process.stderr.write('MFS Password:');
  return new Promise((resolve, reject) => {
    let typed = '';
    if (stdin.isTTY) stdin.setRawMode(true);
    const finish = (outcome: () => void): void => {
      stdin.off('data', take);
      stdin.off('end', ended);
      if (stdin.isTTY) stdin.setRawMode(false);
      stdin.pause();
      process.stderr.write('\n');
      outcome();
    };
    const take = (data: Buffer): void => {
      for (const character of data.toString('utf8')) {
        if (character === '\n' || character === '\r' || character === CTRL_D) {
          finish(() => resolve(typed));
          return;
        }
        if (character === CTRL_C) {
          finish(() => reject(new UsageError('interrupted')));
          return;
        }
        typed = BACKSPACES.includes(character) ? typed.slice(0, -1) : typed + character;
      }
    };
    const ended = (): void => finish(() => resolve(typed));
    stdin.on('data', take);
    stdin.on('end', ended);
    stdin.resume();
  });
}
