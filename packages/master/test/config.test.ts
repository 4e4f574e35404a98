import { CLTOMA_INFO, MATOCL_INFO } from '@alces/proto';
import { parseConfig } from '@alces/runtime';
import { describe, expect, test } from 'vitest';
import { masterConfig } from '../src/config.ts';
import { portOfService } from '../src/services.ts';
import { TestMaster } from './support/testMaster.ts';
import { WireClient } from './support/wireClient.ts';

function read(text: string) {
  const warnings: string[] = [];
  const warn = (message: string) => void warnings.push(message);
  const config = parseConfig(text, 'mfsmaster.cfg');
  const values = masterConfig(config, portOfService, warn);
  return { values, warnings };
}

describe('mfsmaster.cfg', () => {
  test('defaults', () => {
    const { values, warnings } = read('');
    expect(values).toMatchObject({
      exportsFile: '/etc/mfs/mfsexports.cfg',
      topologyFile: '/etc/mfs/mfstopology.cfg',
      backLogs: 50,
      saveFrequencyHours: 1,
      keptImages: 1,
      changelogPreserveSeconds: 1800,
      changelogSaveMode: 0,
      metaloggers: { host: '*', port: 9419 },
      chunkservers: { host: '*', port: 9420 },
      clients: { host: '*', port: 9421 },
      sessionSustainSeconds: 86400,
      atimeMode: 2,
      maxHardLinks: 32767,
      inodeReuseDelaySeconds: 86400,
      quotaGraceSeconds: 604800,
    });
    expect(warnings).toEqual([]);
  });

  test.each([
    ['BACK_LOGS = 5000', { backLogs: 1000 }, 1],
    ['BACK_LOGS = 0', { backLogs: 2 }, 0],
    ['BACK_META_KEEP_PREVIOUS = 100', { keptImages: 99 }, 1],
    ['METADATA_SAVE_FREQ = 40', { saveFrequencyHours: 25 }, 1],
    ['METADATA_SAVE_FREQ = 0', { saveFrequencyHours: 1 }, 0],
    ['CHANGELOG_SAVE_MODE = 3', { changelogSaveMode: 0 }, 1],
    ['CHANGELOG_SAVE_MODE = 2', { changelogSaveMode: 2 }, 0],
    ['ATIME_MODE = 5', { atimeMode: 0 }, 1],
    ['QUOTA_TIME_LIMIT = 60', { quotaGraceSeconds: 60 }, 0],
    ['QUOTA_TIME_LIMIT = 60\nQUOTA_DEFAULT_GRACE_PERIOD = 70', { quotaGraceSeconds: 70 }, 0],
    ['MATOCU_LISTEN_PORT = 19421', { clients: { host: '*', port: 19421 } }, 1],
    ['MATOCU_LISTEN_PORT = 1\nMATOCL_LISTEN_HOST = 10.0.0.1', { clients: { host: '10.0.0.1', port: 9421 } }, 0],
  ])('%s', (text, expected, warned) => {
    const { values, warnings } = read(text);
    expect(values).toMatchObject(expected);
    expect(warnings).toHaveLength(warned);
  });

  test('a reload moves the client port and keeps the connections', async () => {
    const master = await TestMaster.start();
    const before = await WireClient.connect(master.port);
    await before.request(CLTOMA_INFO, {}, MATOCL_INFO);
    const probe = await TestMaster.start();
    const free = probe.port;
    await probe.destroy();
    master.setConfig(`MATOCL_LISTEN_PORT=${free}\n`);
    await master.running.reload();
    const after = await WireClient.connect(free);
    await after.request(CLTOMA_INFO, {}, MATOCL_INFO);
    await before.request(CLTOMA_INFO, {}, MATOCL_INFO);
    before.end();
    after.end();
    await master.destroy();
  });
});
