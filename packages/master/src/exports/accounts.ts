import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** The users and groups of the machine, as far as `maproot=` and `mapall=` need them. */
export interface Accounts {
  userByName(name: string): { uid: number; gid: number } | undefined;
  /** The primary group of a user, undefined for an unknown uid. */
  primaryGroup(uid: number): number | undefined;
  groupByName(name: string): number | undefined;
}

const LOOKUP_TIMEOUT_MS = 3000;

function localLines(file: string): string[] {
  try {
    return readFileSync(file, 'latin1').split('\n');
  } catch {
    return [];
  }
}

/** One record of the account database: the local file first, then (LDAP, NIS, ...) whatever `getent` knows. */
function find(database: 'passwd' | 'group', column: number, key: string): string[] | undefined {
  for (const line of localLines(`/etc/${database}`)) {
    const fields = line.split(':');
    if (fields.length > 2 && fields[column] === key) return fields;
  }
  if (key === '' || key.startsWith('-')) return undefined;
  const answer = spawnSync('getent', [database, key], { encoding: 'latin1', timeout: LOOKUP_TIMEOUT_MS });
  const fields = answer.status === 0 ? answer.stdout.trimEnd().split(':') : [];
  return fields.length > 2 && fields[column] === key ? fields : undefined;
}

/** The account database of this machine. Look-ups block; exports are only parsed at start and reload. */
export const systemAccounts: Accounts = {
  userByName(name) {
    const fields = find('passwd', 0, name);
    return fields && { uid: Number(fields[2]), gid: Number(fields[3]) };
  },
  primaryGroup(uid) {
    const fields = find('passwd', 2, String(uid));
    return fields && Number(fields[3]);
  },
  groupByName(name) {
    const fields = find('group', 0, name);
    return fields && Number(fields[2]);
  },
};
