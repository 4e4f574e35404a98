import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseConfig } from '@alces/runtime';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { haConfig, haConfigFile, parseNodes, readHaConfig, readSecret } from '../src/config.ts';

const PAIR = 'NODES = alpha=10.0.0.1, beta=10.0.0.2\nNODE = alpha\n';
const read = (text: string) => haConfig(parseConfig(text, '/etc/mfs/mfsha.cfg'));

describe('mfsha.cfg', () => {
  it('needs little', () => {
    const config = read(PAIR);
    expect(config.replication).toMatchObject({ self: 'alpha', quorum: 2, protocol: 'C' });
    expect(config).toMatchObject({ secretFile: '/etc/mfs/mfsha.secret', detector: 'external', vip: undefined });
  });

  it('names nodes, their ports and witnesses', () => {
    expect(parseNodes('a=10.0.0.1 , b = host:9000,w=10.0.0.3:1/witness', 'f')).toEqual([
      { id: 'a', host: '10.0.0.1', port: 9426, witness: false },
      { id: 'b', host: 'host', port: 9000, witness: false },
      { id: 'w', host: '10.0.0.3', port: 1, witness: true },
    ]);
    for (const bad of ['', 'a', 'a=', 'a=b=c/d', 'a=1:0', 'a=1:70000', 'a=1/voter'])
      expect(() => parseNodes(bad, 'f'), bad).toThrow('NODES');
  });

  it('says which key is wrong, and what it may be', () => {
    const wrong: [string, string][] = [
      ['PROTOCOL = D', 'PROTOCOL = D: C or A or B'],
      ['QUORUM = most', 'QUORUM = most'],
      ['QUORUM = 3', 'quorum of 3 of 2'],
      ['DETECTOR = crystal ball', 'DETECTOR'],
      ['AFTER_SB_0PRI = discard-node-gamma', 'AFTER_SB_0PRI'],
      ['HEARTBEAT_MS = 200\nLEASE_MS = 300', 'lease'],
      ['QUROUM = 1', 'there is no QUROUM'],
      ['QUORUM 1', 'bad definition'],
      ['MANAGE_VIP = yes', 'MANAGE_VIP = yes: a number from 0 to 1'],
      ['DETECTOR_TIMEOUT_MS = 5', 'DETECTOR_TIMEOUT_MS = 5: a number from 50 to 600000'],
      ['PEER_TIMEOUT_MS = 0', 'PEER_TIMEOUT_MS = 0: a number from 100 to 86400000'],
      ['VIP = 300.1.1.1/24', "VIP: '300.1.1.1/24' is not"],
      ['STANDBY_PORT = 94270', 'a number from 0 to 65535'],
    ];
    for (const [line, message] of wrong) expect(() => read(`${PAIR}${line}\n`), line).toThrow(message);
    expect(() => read('NODES = a=10.255.255.1\n')).toThrow('NODE must name it');
    expect(() => read('NODES = a=10.0.0.1\nNODE = b\n')).toThrow("'b'");
  });

  it("takes DRBD's words", () => {
    const text = `${PAIR}QUORUM = 1\nAFTER_SB_0PRI = discard-node-beta\nAFTER_SB_1PRI = discard-secondary\nAFTER_SB_2PRI = disconnect\n`;
    expect(read(text).replication.policies).toEqual({
      after0: 'discard-node-beta',
      after1: 'discard-secondary',
      after2: 'disconnect',
    });
  });
});

describe('its files', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'haf-config-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('are found beside the configuration of the daemon, or where that says', () => {
    const daemon = (text: string) => parseConfig(text, join(folder, 'mfsmaster.cfg'));
    expect(haConfigFile(daemon(''))).toBeUndefined();
    expect(haConfigFile(daemon('HA_CONFIG = other.cfg\n'))).toBe(join(folder, 'other.cfg'));
    writeFileSync(join(folder, 'mfsha.cfg'), PAIR);
    expect(haConfigFile(daemon(''))).toBe(join(folder, 'mfsha.cfg'));
  });

  it('DATA_PATH is that of mfsha.cfg, of the daemon, or of the files beside', () => {
    const file = join(folder, 'mfsha.cfg');
    writeFileSync(file, PAIR);
    expect(readHaConfig(file).dataPath).toBe('/var/lib/mfs');
    writeFileSync(join(folder, 'mfsmaster.cfg'), 'DATA_PATH = /data/a\n');
    expect(readHaConfig(file).dataPath).toBe('/data/a');
    expect(readHaConfig(file, parseConfig('DATA_PATH = /data/b\n', 'x')).dataPath).toBe('/data/b');
    writeFileSync(file, `${PAIR}DATA_PATH = c\n`);
    expect(readHaConfig(file).dataPath).toBe(join(folder, 'c'));
  });

  it('the secret is long enough and nobody else reads it', () => {
    const file = join(folder, 'secret');
    expect(() => readSecret(file)).toThrow("can't read");
    writeFileSync(file, 'sixteen bytes ok\n', { mode: 0o600 });
    expect(readSecret(file).toString()).toBe('sixteen bytes ok');
    chmodSync(file, 0o640);
    expect(() => readSecret(file)).toThrow('chmod 600');
    writeFileSync(file, 'short');
    chmodSync(file, 0o600);
    expect(() => readSecret(file)).toThrow('at least 16');
  });
});
