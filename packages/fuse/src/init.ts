import {
  IN_HEADER_BYTES,
  InitFlag,
  KERNEL_MINOR_VERSION,
  KERNEL_VERSION,
  OLDEST_MINOR_VERSION,
  PAGE_BYTES,
} from './constants.ts';
import type { Negotiated } from './types.ts';

const BODY = IN_HEADER_BYTES / 4;
export const INIT_OUT_BYTES = 64;

/** What a server wants from INIT; what the kernel does not offer is left out. */
export interface InitWishes {
  /** `InitFlag` bits. MAX_PAGES, BIG_WRITES and ABORT_ERROR are always asked for. */
  flags: number;
  /** Largest WRITE, and with MAX_PAGES also largest READ; a multiple of the page size. */
  maxWriteBytes: number;
  maxReadaheadBytes: number;
  /** How many reads and writes ahead the kernel may have under way. */
  maxBackground: number;
}

export const DEFAULT_WISHES: InitWishes = {
  flags:
    InitFlag.ASYNC_READ |
    InitFlag.POSIX_LOCKS |
    InitFlag.FLOCK_LOCKS |
    InitFlag.ATOMIC_O_TRUNC |
    InitFlag.EXPORT_SUPPORT |
    InitFlag.DONT_MASK |
    InitFlag.DO_READDIRPLUS |
    InitFlag.READDIRPLUS_AUTO |
    InitFlag.ASYNC_DIO |
    InitFlag.PARALLEL_DIROPS,
  maxWriteBytes: 1024 * 1024,
  maxReadaheadBytes: 1024 * 1024,
  maxBackground: 64,
};

const ALWAYS = InitFlag.MAX_PAGES | InitFlag.BIG_WRITES | InitFlag.ABORT_ERROR;

export type InitOutcome =
  | { kind: 'agreed'; negotiated: Negotiated }
  /** The kernel speaks a newer major version and is to ask again. */
  | { kind: 'again' }
  | { kind: 'refused'; reason: string };

/** Decides on the kernel's INIT and, unless it is refused, writes the reply's structure at word `at` of `out`. */
export function negotiate(input: Uint32Array, out: Uint32Array, at: number, wishes: InitWishes): InitOutcome {
  const major = input[BODY];
  const minor = input[BODY + 1];
  out.fill(0, at, at + INIT_OUT_BYTES / 4);
  out[at] = KERNEL_VERSION;
  out[at + 1] = KERNEL_MINOR_VERSION;
  if (major > KERNEL_VERSION) return { kind: 'again' };
  if (major < KERNEL_VERSION || minor < OLDEST_MINOR_VERSION) {
    return { kind: 'refused', reason: `FUSE protocol ${major}.${minor} of this kernel is too old` };
  }
  const kernelFlags = input[BODY + 3];
  const kernelFlags2 = kernelFlags & InitFlag.INIT_EXT ? input[BODY + 4] : 0;
  const flags = (kernelFlags & (wishes.flags | ALWAYS)) >>> 0;
  const wholePages =
    flags & InitFlag.MAX_PAGES ? wishes.maxWriteBytes : Math.min(wishes.maxWriteBytes, 32 * PAGE_BYTES);
  const negotiated: Negotiated = {
    minor: Math.min(minor, KERNEL_MINOR_VERSION),
    kernelFlags,
    kernelFlags2,
    flags,
    flags2: 0,
    maxWriteBytes: wholePages,
    maxReadaheadBytes: Math.min(input[BODY + 2], wishes.maxReadaheadBytes),
    maxPages: Math.ceil(wholePages / PAGE_BYTES),
  };
  out[at + 2] = negotiated.maxReadaheadBytes;
  out[at + 3] = flags;
  out[at + 4] = wishes.maxBackground | (Math.ceil((wishes.maxBackground * 3) / 4) << 16);
  out[at + 5] = negotiated.maxWriteBytes;
  out[at + 6] = 1;
  out[at + 7] = negotiated.maxPages;
  return { kind: 'agreed', negotiated };
}
