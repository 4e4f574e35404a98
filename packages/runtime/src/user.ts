import { readFileSync } from 'node:fs';
import type { Config } from './config.ts';

interface User {
  uid: number;
  gid: number;
}

function findUser(name: string): User {
  const byNumber = name.startsWith('#') ? Number.parseInt(name.slice(1), 10) : undefined;
  for (const line of readFileSync('/etc/passwd', 'utf8').split('\n')) {
    const fields = line.split(':');
    const uid = Number(fields[2]);
    if (fields.length >= 4 && (byNumber === undefined ? fields[0] === name : uid === byNumber))
      return { uid, gid: Number(fields[3]) };
  }
  throw new Error(
    byNumber === undefined ? `${name}: no such user !!!` : `${byNumber}: no such user id - can't obtain group id`,
  );
}

function findGroup(name: string): number {
  if (name.startsWith('#')) return Number.parseInt(name.slice(1), 10);
  for (const line of readFileSync('/etc/group', 'utf8').split('\n')) {
    const fields = line.split(':');
    if (fields.length >= 3 && fields[0] === name) return Number(fields[2]);
  }
  throw new Error(`${name}: no such group !!!`);
}

/** Changes to `WORKING_USER` and `WORKING_GROUP` when started by root. Throws when one does not exist. */
export function changeUser(config: Config): void {
  if (process.getuid?.() !== 0) return;
  const user = findUser(config.string('WORKING_USER', 'mfs'));
  const groupName = config.string('WORKING_GROUP', 'mfs');
  const gid = groupName === '' ? user.gid : findGroup(groupName);
  process.setgroups?.([gid]);
  process.setgid?.(gid);
  process.setuid?.(user.uid);
}
