import type { SessionParameters } from '@alces/client';
import { InitFlag, type Negotiated } from '@alces/fuse';
import { formatVersion, SugidClearMode, VERSION_STRING } from '@alces/proto';
import { OPTIONS } from '../settings/options.ts';
import type { MountSettings } from '../settings/settings.ts';

/** Of the stock package whose protocol and behaviour this is. */
const BUILD = 1341;
const DEFINED = '(defined)';
const NOT_DEFINED = '(not defined)';

function optionText(value: string | number | boolean | undefined, kind: string): string {
  if (value === undefined || value === false) return NOT_DEFINED;
  if (value === true) return DEFINED;
  return kind === 'seconds' ? (value as number).toFixed(3) : String(value);
}

function mask(flags: number): string {
  return `0x${(flags >>> 0).toString(16).toUpperCase()}`;
}

function sugidName(mode: number): string {
  return Object.entries(SugidClearMode).find(([, value]) => value === mode)?.[0] ?? String(mode);
}

/** The text of `.params` (spec 60 §6.1). */
export function parametersText(
  settings: MountSettings,
  session: SessionParameters,
  negotiated: Negotiated | undefined,
): string {
  const { options } = settings;
  const lines = OPTIONS.map(({ name, kind }) => [name, optionText(options[name], kind)]);
  lines.push(
    ['working_keep_cache_mode', settings.cacheMode],
    ['working_sugid_clear_mode', sugidName(settings.sugidClearMode)],
    ['no_std_mount_options', settings.noStandardOptions ? DEFINED : NOT_DEFINED],
    ['master_sesflags', String(session.flags)],
    ['master_umaskval', `0${session.umask.toString(8).padStart(3, '0')}`],
    ['master_maproot', `${session.rootUid}:${session.rootGid}`],
    ['master_mapall', `${session.mapAllUid}:${session.mapAllGid}`],
    ['master_goallimit', `${session.minGoal}:${session.maxGoal}`],
    ['master_trashlimit', `${session.minTrashSeconds}:${session.maxTrashSeconds}`],
    ['master_disables', mask(session.disables)],
    ['moosefs_master_version', formatVersion(session.masterVersion)],
    ['moosefs_mount_version', VERSION_STRING],
    ['moosefs_mount_build', String(BUILD)],
  );
  if (negotiated !== undefined) {
    lines.push(
      ['kernel_fuse_protocol', `7.${negotiated.minor}`],
      ['kernel_capability_mask', mask(negotiated.kernelFlags & ~InitFlag.INIT_EXT)],
      ['kernel_working_mask', mask(negotiated.flags)],
    );
  }
  return lines.map(([name, value]) => `${name}: ${value}\n`).join('');
}
