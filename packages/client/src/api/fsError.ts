import { getSystemErrorMessage } from 'node:util';
import { MfsError } from '../errors.ts';

export type PathLike = string | Buffer;

/** An error as Node's `fs` gives it: `code` such as `ENOENT`, negative `errno`, `syscall`, `path`. */
export interface FsError extends NodeJS.ErrnoException {
  code: string;
  errno: number;
  syscall: string;
  path?: string;
  dest?: string;
  /** MooseFS status, when the master gave one. */
  status?: number;
}

function describe(errno: number, fallback: string): string {
  const text = getSystemErrorMessage(-errno);
  return text === undefined || text.startsWith('Unknown') ? fallback.toLowerCase() : text;
}

/** Turns an `MfsError` into Node's form; other errors are returned as they are. */
export function fsError(error: unknown, syscall: string, path?: PathLike, dest?: PathLike): unknown {
  if (!(error instanceof MfsError)) return error;
  const { code, errno, status } = error;
  const where = [path, dest].filter((part) => part !== undefined).map((part) => `'${part}'`);
  const place = where.length > 0 ? ` ${where.join(' -> ')}` : '';
  const result = new Error(`${code}: ${describe(errno, error.message)}, ${syscall}${place}`, { cause: error });
  return Object.assign(result, {
    code,
    errno: -errno,
    syscall,
    status,
    ...(path !== undefined && { path: String(path) }),
    ...(dest !== undefined && { dest: String(dest) }),
  });
}

/** Runs an action whose `MfsError`s are reported as Node's. */
export async function asNode<T>(
  syscall: string,
  path: PathLike | undefined,
  action: () => Promise<T>,
  dest?: PathLike,
): Promise<T> {
  try {
    return await action();
  } catch (error) {
    throw fsError(error, syscall, path, dest);
  }
}
