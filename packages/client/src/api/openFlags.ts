import { constants } from 'node:fs';
import { Status } from '@alces/proto';
import { MfsError } from '../errors.ts';

export interface OpenMode {
  readonly read: boolean;
  readonly write: boolean;
  readonly append: boolean;
  readonly create: boolean;
  readonly exclusive: boolean;
  readonly truncate: boolean;
}

const { O_RDWR, O_WRONLY, O_APPEND, O_CREAT, O_EXCL, O_TRUNC } = constants;

const BY_NAME: Readonly<Record<string, number>> = {
  r: 0,
  'r+': O_RDWR,
  w: O_WRONLY | O_CREAT | O_TRUNC,
  wx: O_WRONLY | O_CREAT | O_TRUNC | O_EXCL,
  'w+': O_RDWR | O_CREAT | O_TRUNC,
  'wx+': O_RDWR | O_CREAT | O_TRUNC | O_EXCL,
  a: O_WRONLY | O_CREAT | O_APPEND,
  ax: O_WRONLY | O_CREAT | O_APPEND | O_EXCL,
  'a+': O_RDWR | O_CREAT | O_APPEND,
  'ax+': O_RDWR | O_CREAT | O_APPEND | O_EXCL,
};

/** Flags as `fs.open` takes them: a word such as `r+`, or a number of O_ bits. Throws EINVAL for others. */
export function parseOpenFlags(flags: string | number): OpenMode {
  const bits = typeof flags === 'number' ? flags : BY_NAME[flags];
  if (bits === undefined) throw new MfsError(Status.EINVAL);
  return {
    read: (bits & O_WRONLY) === 0,
    write: (bits & (O_WRONLY | O_RDWR)) !== 0,
    append: (bits & O_APPEND) !== 0,
    create: (bits & O_CREAT) !== 0,
    exclusive: (bits & O_EXCL) !== 0,
    truncate: (bits & O_TRUNC) !== 0,
  };
}
