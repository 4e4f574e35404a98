/** Session flags an export can grant (spec 00 §2.6). */
export const SessionFlag = {
  READONLY: 0x01,
  DYNAMICIP: 0x02,
  IGNOREGID: 0x04,
  ADMIN: 0x08,
  MAPALL: 0x10,
  /** Internal: the client understands the attribute record of 1.7.32 and later. Logged with SNAPSHOT, never sent. */
  ATTRBIT: 0x40,
} as const;

/** Option words of `disable=`, in the order of their bits (spec 00 §2.7). */
export const DISABLE_WORDS = [
  'chown',
  'chmod',
  'symlink',
  'mkfifo',
  'mkdev',
  'mksock',
  'mkdir',
  'unlink',
  'rmdir',
  'rename',
  'move',
  'link',
  'create',
  'readdir',
  'read',
  'write',
  'truncate',
  'setlength',
  'appendchunks',
  'snapshot',
  'settrash',
  'setsclass',
  'seteattr',
  'setxattr',
  'setfacl',
] as const;

/** What an export line says besides whom and what it exports; a DEFAULTS line changes these for the lines after it. */
export interface ExportOptions {
  alldirs: boolean;
  /** MD5 of the password, undefined when none is needed. */
  passwordMd5: Buffer | undefined;
  /** As parsed, `X*65536 + Y*256 + Z`, compared undoubled with the client's wire version (spec 00 §5.5). */
  minVersion: number;
  sesflags: number;
  umask: number;
  minGoal: number;
  maxGoal: number;
  minTrashSeconds: number;
  maxTrashSeconds: number;
  rootUid: number;
  rootGid: number;
  mapallUid: number;
  mapallGid: number;
  disables: number;
  /** The line, or a DEFAULTS line before it, has `maproot=`. */
  maprootGiven: boolean;
}

/** One record of mfsexports.cfg. */
export interface ExportRecord extends ExportOptions {
  fromIp: number;
  toIp: number;
  /** A meta export (`.`). */
  meta: boolean;
  /** Without leading and trailing slashes; empty for the root and for meta exports. */
  path: Buffer;
}

/** The options of a line without options and without DEFAULTS (spec 00 §5.6). */
export const BUILT_IN_OPTIONS: Readonly<ExportOptions> = {
  alldirs: false,
  passwordMd5: undefined,
  minVersion: 0,
  sesflags: SessionFlag.READONLY,
  umask: 0,
  minGoal: 1,
  maxGoal: 9,
  minTrashSeconds: 0,
  maxTrashSeconds: 0xffffffff,
  rootUid: 999,
  rootGid: 999,
  mapallUid: 999,
  mapallGid: 999,
  disables: 0,
  maprootGiven: false,
};
