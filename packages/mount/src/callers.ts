import { readFileSync } from 'node:fs';
import type { Caller } from '@alces/client';
import type { Request } from '@alces/fuse';
import type { Clock } from '@alces/runtime';
import { ExpiringMap } from './caches/expiringMap.ts';

const LIMIT = 16_384;
/** As much of the line as the stock mount reads. */
const LINE_BYTES = 4095;

interface Known {
  readonly uid: number;
  readonly gid: number;
  readonly caller: Caller;
}

/** The numbers of the `Groups:` line of a process; none if it can't be read (it may be gone). */
export function supplementaryGroups(status: string): number[] {
  const line = /^Groups:[ \t]*([^\n]*)/m.exec(status)?.[1].slice(0, LINE_BYTES) ?? '';
  return line
    .split(/[ \t]+/)
    .filter((word) => /^\d+$/.test(word))
    .map(Number);
}

function readGroups(pid: number): number[] {
  try {
    return supplementaryGroups(readFileSync(`/proc/${pid}/status`, 'latin1'));
  } catch {
    return [];
  }
}

/** Who makes a request, with supplementary groups, which FUSE does not tell (spec 10 §12.4). */
export class Callers {
  readonly #known: ExpiringMap<number, Known>;
  readonly #enabled: boolean;
  readonly #rootIsMapped: () => boolean;

  /** @param rootIsMapped the master treats uid 0 as another user, so that the groups of root's processes matter */
  constructor(clock: Clock, lifeSeconds: number, rootIsMapped: () => boolean) {
    this.#enabled = lifeSeconds > 0;
    this.#known = new ExpiringMap(clock, lifeSeconds * 1000, LIMIT);
    this.#rootIsMapped = rootIsMapped;
  }

  of({ uid, gid, pid }: Request): Caller {
    if (!this.#enabled || pid === 0) return { uid, gids: [gid] };
    // Everything is allowed to root, so its groups are not worth a look into /proc.
    if (uid === 0) return this.#rootIsMapped() ? this.#read(uid, gid, pid) : { uid, gids: [gid] };
    const known = this.#known.get(pid);
    if (known !== undefined && known.uid === uid && known.gid === gid) return known.caller;
    const caller = this.#read(uid, gid, pid);
    this.#known.set(pid, { uid, gid, caller });
    return caller;
  }

  #read(uid: number, gid: number, pid: number): Caller {
    return { uid, gids: [gid, ...readGroups(pid).filter((other) => other !== gid)] };
  }
}
