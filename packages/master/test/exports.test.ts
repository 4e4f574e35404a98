import { describe, expect, test } from 'vitest';
import type { Accounts } from '../src/exports/accounts.ts';
import { systemAccounts } from '../src/exports/accounts.ts';
import { exportsChecksum, recordChecksum } from '../src/exports/checksum.ts';
import { matchExport, passwordDigest } from '../src/exports/match.ts';
import { addressNumber, formatAddress } from '../src/exports/network.ts';
import { parseExports } from '../src/exports/parse.ts';
import type { ExportRecord } from '../src/exports/record.ts';

const accounts: Accounts = {
  userByName: (name) =>
    ({ root: { uid: 0, gid: 0 }, daemon: { uid: 1, gid: 1 }, nobody: { uid: 65534, gid: 65534 } })[name],
  primaryGroup: (uid) => new Map([[0, 0]]).get(uid),
  groupByName: (name) => new Map([['staff', 50]]).get(name),
};
const parse = (text: string) => parseExports(Buffer.from(text, 'latin1'), accounts);
const records = (text: string) => parse(text).records;

const hex = (value: number) => value.toString(16);
function summary(record: ExportRecord): string {
  const range = `${formatAddress(record.fromIp)}-${formatAddress(record.toIp)}`;
  const path = record.meta ? '.' : `/${record.path.toString('latin1')}`;
  const owners = `root ${record.rootUid}:${record.rootGid} all ${record.mapallUid}:${record.mapallGid}`;
  return `${range} ${path} ${record.alldirs ? 'alldirs ' : ''}flags ${hex(record.sesflags)} umask ${record.umask.toString(8)} ${owners}`;
}

describe('parsing', () => {
  // The reference file of spec 00 §5.7 with the records that the stock master made of it.
  test('the reference file', () => {
    const { records: parsed, warnings } = parse(`DEFAULTS rw,maproot=0:0
10.98.0.1	/	alldirs,admin
DEFAULTS  ro,umask=0022
10.98.0.2 /
10.98.0.3-10.98.0.4 // a b
* .
10.98.0.5/24 /dir/sub/ mapall=1000:1000 , rw , bogus, disable=read : write:nope
1.2.3.4/255.0.255.0 / minversion=3.0.117,mintrashtime=4294967296,umask=0777zzz
1.2.3.4/33 / rw
1.2.3 / rw
4.3.2.1-1.2.3.4 / rw
5.5.5.5/0 / rw,mingoal=6,maxgoal=5
5.5.5.7 / rw,maproot=nobody,mapall=daemon
5.5.5.8 / rw,mapall=daemon
5.5.5.9 / rw,maproot=54321
5.5.5.10 / minversion=3.0.100.1
5.5.5.11 / minversion=3,password=,ignoregid,dynamicip,canchangequota
5.5.5.12 . admin,alldirs,dynamicip,disable=read,ignoregid,maproot=5:5,mapall=6:6,umask=0777
5.5.5.13
*.* / rw
5.5.5.15 /y rw # comment
5.5.5.17 / md5pass=5ebe2294
5.5.5.18 / mintrashtime=1h30m,maxtrashtime=1w2d3h4m5s
5.5.5.19 / mintrashtime=30m1h
5.5.5.20 / maxtrashtime=1h,mintrashtime=2h
`);
    expect(parsed.map(summary)).toEqual([
      '0.0.0.0-0.0.0.0 / flags 0 umask 0 root 0:0 all 999:999',
      '10.98.0.1-10.98.0.1 / alldirs flags 8 umask 0 root 0:0 all 999:999',
      '0.0.0.0-0.0.0.0 / flags 1 umask 22 root 0:0 all 999:999',
      '10.98.0.2-10.98.0.2 / flags 1 umask 22 root 0:0 all 999:999',
      '10.98.0.3-10.98.0.4 / flags 1 umask 22 root 0:0 all 999:999',
      '0.0.0.0-255.255.255.255 . flags 1 umask 22 root 0:0 all 999:999',
      '10.98.0.0-10.98.0.255 /dir/sub flags 10 umask 22 root 0:0 all 1000:1000',
      '1.0.3.0-1.255.3.255 / flags 1 umask 777 root 0:0 all 999:999',
      '4.3.2.1-1.2.3.4 / flags 0 umask 22 root 0:0 all 999:999',
      '5.5.5.7-5.5.5.7 / flags 10 umask 22 root 65534:65534 all 1:1',
      '5.5.5.8-5.5.5.8 / flags 10 umask 22 root 0:0 all 1:1',
      '5.5.5.11-5.5.5.11 / flags f umask 22 root 0:0 all 999:999',
      '5.5.5.12-5.5.5.12 . flags 3 umask 777 root 0:0 all 999:999',
      '5.5.5.15-5.5.5.15 /y flags 1 umask 22 root 0:0 all 999:999',
      '5.5.5.18-5.5.5.18 / flags 1 umask 22 root 0:0 all 999:999',
    ]);
    expect(parsed[6]!.disables).toBe(0xc000);
    expect(parsed[7]).toMatchObject({ minVersion: 0x030075, minTrashSeconds: 0 });
    expect(parsed[14]).toMatchObject({ minTrashSeconds: 5400, maxTrashSeconds: 788645 });
    expect(parsed[11]!.passwordMd5?.toString('hex')).toBe('d41d8cd98f00b204e9800998ecf8427e');
    expect(warnings).toContain("mfsexports: unknown option 'a b' in line: 5 (ignored)");
    expect(warnings).toContain("mfsexports: unknown disable command 'nope' in line: 7 (ignored)");
    expect(warnings).toContain('mfsexports: incorrect ip/network definition in line: 9');
    expect(warnings).toContain('mfsexports: incomplete definition in line: 19');
  });

  // What a stock 3.0.117 master answered to these lines (records shown by EXPORTS_INFO, warnings on its stderr).
  test.each([
    ['1.2.3.4 / maproot=', [[0, 0]], []],
    ['1.2.3.4 / maproot=:', [[0, 0]], []],
    ['1.2.3.4 / maproot=:5', [[0, 5]], []],
    ['01.02.03.04 / rw', [[999, 999]], []],
    ['1.2.3.4/032 /x rw', [[999, 999]], []],
    ['1.2.3.4 / mapall=4294967297:4294967298', [[1, 2]], []],
    ['1.2.3.4x /x rw', [], ['mfsexports: incorrect ip/network definition in line: 1']],
    ['1.2.3.4-1.2.3.400 / rw', [], ['mfsexports: incorrect ip/network definition in line: 1']],
    ['1.2.3.4 / mingoal=12', [], ['mfsexports: incorrect mingoal definition (mingoal=12) in line: 1']],
    ['1.2.3.4 / mingoal=6,maxgoal=5', [], ['mfsexports: maxgoal<mingoal in definition (maxgoal=5) in line: 1']],
    ['1.2.3.4 / maxgoal=3,mingoal=5', [], ['mfsexports: mingoal>maxgoal in definition (mingoal=5) in line: 1']],
    ['1.2.3.4 / umask=022', [], ['mfsexports: incorrect umask definition (umask=022) in line: 1']],
    [
      '1.2.3.4 / mintrashtime=7102w',
      [],
      ['mfsexports: incorrect mintrashtime definition (mintrashtime=7102w) in line: 1'],
    ],
    [
      '1.2.3.4 / mintrashtime=1h30',
      [],
      ['mfsexports: incorrect mintrashtime definition (mintrashtime=1h30) in line: 1'],
    ],
    ['1.2.3.4 / maproot=nosuchu', [], ["mfsexports/maproot: can't find user named 'nosuchu' defined in line: 1"]],
    ['1.2.3.4 / maproot=0:nosuchg', [], ["mfsexports/maproot: can't find group named 'nosuchg' defined in line: 1"]],
    [
      '1.2.3.4 / mapall=54321',
      [],
      ["mfsexports/maproot: can't determine gid, because can't find user with uid 54321 defined in line: 1"],
    ],
    ['1.2.3.4 . admin', [[0, 0]], ['meta option ignored: admin']],
    ['1.2.3.4 / readonly=1', [[999, 999]], ["mfsexports: unknown option 'readonly=1' in line: 1 (ignored)"]],
    ['1.2.3.4 / disable=', [[999, 999]], ["mfsexports: unknown disable command '' in line: 1 (ignored)"]],
    ['DEFAULTS', [], ['mfsexports: incomplete definition in line: 1']],
    ['defaults rw', [[999, 999]], []],
    [' # comment', [], []],
  ])('%s', (text, owners, warnings) => {
    const parsed = parse(text);
    expect(parsed.records.map((record) => [record.rootUid, record.rootGid])).toEqual(owners);
    expect(parsed.warnings).toEqual(warnings);
  });

  test('an invalid DEFAULTS line changes nothing and leaves no record', () => {
    expect(records('DEFAULTS rw,mingoal=0\n1.2.3.4 /').map((record) => record.sesflags)).toEqual([1]);
  });

  test('group names come from the account database of the machine', () => {
    const [record] = parseExports(Buffer.from('* / rw,maproot=root:root\n'), systemAccounts).records;
    expect(record).toMatchObject({ rootUid: 0, rootGid: 0 });
  });

  test('a line of more than 9999 characters is cut, and its pieces are counted', () => {
    const parsed = parse(`1.2.3.4 /${'x'.repeat(10000)} rw\nbad`);
    expect(parsed.records[0]!.path.length).toBe(9999 - '1.2.3.4 /'.length);
    expect(parsed.warnings.at(-1)).toBe('mfsexports: incomplete definition in line: 3');
  });
});

describe('checksum', () => {
  const password =
    '10.98.0.2 / rw,alldirs,maproot=0,password=secret,mingoal=2,maxgoal=5,mintrashtime=1h,maxtrashtime=2w,umask=0027,disable=chown:unlink';
  // Values of spec 00 §5.8 and 70 §3.1.1, the sums seen in INFO answers of stock masters.
  test('records and sums of the stock master', () => {
    const [root, meta] = records('* / rw,alldirs,admin,maproot=0:0\n* . rw\n');
    expect(recordChecksum(root!)).toBe(0x0ce69d6ebb94243bn);
    expect(recordChecksum(meta!)).toBe(0xf2e6601c2367bea3n);
    expect(exportsChecksum([meta!, root!])).toBe(18432386147808961246n);
    expect(recordChecksum(records(password)[0]!)).toBe(0xe56de2c1a35eb64fn);
    expect(exportsChecksum([])).toBe(0n);
  });

  test('three records with a path and a password', () => {
    const text = `* / rw,alldirs,admin,maproot=0:0
* . rw
10.98.8.30-10.98.8.40 /sub ro,password=abc,minversion=2.1.5,mapall=1000:100,ignoregid,dynamicip,mingoal=2,maxgoal=3,mintrashtime=2h,maxtrashtime=2d,umask=0027,disable=unlink,disable=rmdir
`;
    expect(exportsChecksum(records(text))).toBe(0xd8618740a072c30bn);
  });

  test('a path continues both halves', () => {
    const [record] = records(
      'DEFAULTS maproot=0:0\n10.98.0.0/24 /dir/sub rw,mapall=1000:1000,disable=read:write,umask=0022',
    ).slice(1);
    expect(recordChecksum({ ...record!, sesflags: 0x10 })).toBe(0x72777adc1b4a1a4fn);
  });
});

describe('selection', () => {
  const ip = addressNumber('10.0.0.5');
  const version = 0x000300ea;
  const ask = (text: string, more: Partial<Parameters<typeof matchExport>[1]> = {}) =>
    matchExport(records(text), { ip, version, path: Buffer.from('/'), digest: undefined, random: undefined, ...more });
  const line = (text: string, more = {}) => {
    const match = ask(text, more);
    return match.result === 'granted' ? summary(match.record) : match.result;
  };

  test('address, version, path and kind must fit', () => {
    expect(ask('10.0.0.6 / rw').result).toBe('refused');
    expect(ask('10.0.0.0/8 / rw').result).toBe('granted');
    expect(ask('* / minversion=3.0.200', { version: 0x000300c8 }).result).toBe('granted');
    expect(ask('* / minversion=3.0.200', { version: 0x000300c6 }).result).toBe('refused');
    expect(ask('* . rw').result).toBe('refused');
    expect(ask('* . rw', { path: undefined }).result).toBe('granted');
    expect(ask('* / rw', { path: undefined }).result).toBe('refused');
    expect(ask('* / rw', { path: Buffer.from('/a') }).result).toBe('refused');
    expect(ask('* / rw,alldirs', { path: Buffer.from('/a') }).result).toBe('granted');
    expect(ask('* /a rw', { path: Buffer.from('//a/') }).result).toBe('granted');
    expect(ask('* /a rw', { path: Buffer.from('/a/b') }).result).toBe('refused');
    expect(ask('* /a rw,alldirs', { path: Buffer.from('/a/b') }).result).toBe('granted');
    expect(ask('* /a rw,alldirs', { path: Buffer.from('/ab') }).result).toBe('refused');
    expect(ask('4.3.2.1-1.2.3.4 / rw', { ip: addressNumber('2.0.0.0') }).result).toBe('refused');
  });

  test('a later record wins by any one advantage', () => {
    expect(line('10.0.0.5 / rw\n10.0.0.5 / ro,maproot=0')).toContain('flags 1 ');
    expect(line('10.0.0.5 / ro,maproot=0:0\n10.0.0.5 / rw')).toContain('flags 0 ');
    expect(line('10.0.0.5 / rw,maproot=0\n10.0.0.5 / ro')).toContain('flags 0 ');
    expect(line('10.0.0.5 / rw\n10.0.0.5 / ro,admin')).toContain('flags 9 ');
    expect(line('* / rw,alldirs\n* /a ro', { path: Buffer.from('/a') })).toContain('/a flags 1');
  });

  test('passwords', () => {
    const random = Buffer.from('6a4ce180a0b992ce8894c19c3eabc1acb7796a8e8b78986e27e2087fc6795283', 'hex');
    const digest = Buffer.from('28d7f09a2aaeea0b36c46f1832ddfd6f', 'hex');
    expect(passwordDigest(random, Buffer.from('5ebe2294ecd0e0f08eab7690d2a6ee69', 'hex'))).toEqual(digest);
    const locked = '* / rw,password=secret';
    expect(ask(locked).result).toBe('noPassword');
    expect(ask(locked, { digest }).result).toBe('noPassword');
    expect(ask(locked, { digest, random }).result).toBe('granted');
    expect(ask(locked, { digest: Buffer.alloc(16), random }).result).toBe('badPassword');
    expect(line(`${locked}\n* / ro`, { digest: Buffer.alloc(16), random })).toContain('flags 1 ');
    expect(ask('10.0.0.6 / password=secret', { digest, random }).result).toBe('refused');
  });
});
