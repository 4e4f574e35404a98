import { readFileSync } from 'node:fs';
import type { SessionParameters } from '@alces/client';
import { Disable, SessionFlag } from '@alces/proto';

const UNITS: readonly [seconds: number, letter: string][] = [
  [604_800, 'w'],
  [86_400, 'd'],
  [3600, 'h'],
  [60, 'm'],
];

/** A unit is used only above its size: 3600 s are `60m`, 3601 s `1h1s` (spec 60 §5.5). */
export function durationText(seconds: number): string {
  let rest = seconds;
  let text = '';
  for (const [size, letter] of UNITS) {
    if (rest <= size) continue;
    text += `${Math.floor(rest / size)}${letter}`;
    rest %= size;
  }
  return rest > 0 || text === '' ? `${text}${rest}s` : text;
}

function nameOf(file: string, id: number): string {
  try {
    const line = readFileSync(file, 'utf8')
      .split('\n')
      .find((text) => text.split(':')[2] === String(id));
    return line?.split(':')[0] ?? String(id);
  } catch {
    return String(id);
  }
}

function owner(uid: number, gid: number): string {
  return `${nameOf('/etc/passwd', uid)}:${nameOf('/etc/group', gid)}`;
}

function disabledText(disables: number): string {
  const names = Object.entries(Disable).filter(([, bit]) => disables & bit);
  return names.map(([name]) => name.toLowerCase()).join(',');
}

/** The line that tells what the master granted (spec 60 §5.5). */
export function acceptedText(session: SessionParameters, meta: boolean): string {
  const { flags } = session;
  const mapsAll = (flags & SessionFlag.MAPALL) !== 0;
  const words = [
    flags & SessionFlag.READONLY ? 'read-only' : 'read-write',
    flags & SessionFlag.DYNAMICIP ? 'not_restricted_ip' : 'restricted_ip',
  ];
  if (flags & SessionFlag.IGNOREGID) words.push('ignore_gid');
  if (flags & SessionFlag.ADMIN) words.push('admin');
  if (mapsAll) words.push('map_all');
  const parts = [`mfsmaster accepted connection with parameters: ${words.join(',')}`];
  if (meta) return parts[0];
  if (session.umask !== 0) parts.push(`global umask set to 0${session.umask.toString(8).padStart(3, '0')}`);
  parts.push(`root mapped to ${owner(session.rootUid, session.rootGid)}`);
  if (mapsAll) parts.push(`users mapped to ${owner(session.mapAllUid, session.mapAllGid)}`);
  if (session.minGoal !== 1 || session.maxGoal !== 9) {
    parts.push(`setgoal limited to (${session.minGoal}:${session.maxGoal})`);
  }
  const { minTrashSeconds: least, maxTrashSeconds: most } = session;
  if (least !== 0 || most !== 0xffff_ffff) {
    parts.push(`settrashtime limited to (${durationText(least)}:${durationText(most)})`);
  }
  const disabled = disabledText(session.disables);
  if (disabled !== '') parts.push(`disabled commands: ${disabled}`);
  return parts.join(' ; ');
}
