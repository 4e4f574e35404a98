/** Version numbers (spec 00 §1.7): `maj:u16 mid:u8 min':u8`, from 2.0.0 on with `min' = 2 * min + pro`. */

/** Wire form of a version of the free edition, 2.0.0 or newer. */
export function packVersion(major: number, middle: number, minor: number): number {
  return (major * 0x1_0000 + middle * 0x100 + minor * 2) >>> 0;
}

/** The version that Alces announces: 3.0.117. */
export const VERSION = packVersion(3, 0, 117);
/** The text of ANTOAN_VERSION that goes with it. */
export const VERSION_STRING = '3.0.117-1';
/** A mount refuses older masters. */
export const OLDEST_MASTER_VERSION = packVersion(2, 1, 7);

export interface Version {
  readonly major: number;
  readonly middle: number;
  readonly minor: number;
  readonly pro: boolean;
}

export function unpackVersion(wire: number): Version {
  const major = wire >>> 16;
  const middle = (wire >>> 8) & 0xff;
  const last = wire & 0xff;
  if (major < 2) return { major, middle, minor: last, pro: false };
  return { major, middle, minor: last >> 1, pro: (last & 1) === 1 };
}

/** `3.0.117`, with ` PRO` after it for the commercial edition. */
export function formatVersion(wire: number): string {
  const { major, middle, minor, pro } = unpackVersion(wire);
  return `${major}.${middle}.${minor}${pro ? ' PRO' : ''}`;
}
