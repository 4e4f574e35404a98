import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { parseCommandLine, splitOptions } from '../src/settings/commandLine.ts';
import { parseMountConfig } from '../src/settings/configFile.ts';
import { parsePreferredLabels } from '../src/settings/labels.ts';
import { md5 } from '../src/settings/password.ts';
import { mountSettings } from '../src/settings/settings.ts';

const folder = mkdtempSync(join(tmpdir(), 'mount-settings-'));
afterAll(() => rmSync(folder, { recursive: true }));

const noConfig = join(folder, 'empty.cfg');
writeFileSync(noConfig, '');
const point = join(folder, 'point');
mkdirSync(point);

function settings(...argv: string[]) {
  const notes: string[] = [];
  const note = (text: string): void => {
    notes.push(text);
  };
  const line = parseCommandLine(['-o', `mfscfgfile=${noConfig}`, ...argv], note);
  return { line, notes, ...mountSettings(line, note) };
}

describe('the command line', () => {
  it('takes the master from every form', () => {
    expect(settings(point)).toMatchObject({ masterHost: 'mfsmaster', masterPort: 9421, subfolder: '/' });
    expect(settings('h:', point)).toMatchObject({ masterHost: 'h', masterPort: 9421, subfolder: '/' });
    expect(settings('h:sub', point)).toMatchObject({ masterHost: 'h', masterPort: 9421, subfolder: 'sub' });
    expect(settings('h:1234:/a/b', point)).toMatchObject({ masterHost: 'h', masterPort: 1234, subfolder: '/a/b' });
    expect(settings('h::/a', point)).toMatchObject({ masterHost: 'h', masterPort: 9421, subfolder: '/a' });
    expect(settings('-o', 'ro', 'h:', point)).toMatchObject({ masterHost: 'h', mountOptions: ['ro'] });
    expect(settings('h:1:/a', point, '-H', 'other', '-P', '2', '-S', '/b')).toMatchObject({
      masterHost: 'other',
      masterPort: 2,
      subfolder: '/b',
    });
    expect(settings(point, '-o', 'mfsmaster=x,mfsport=7')).toMatchObject({ masterHost: 'x', masterPort: 7 });
  });

  it('takes several masters from every form', () => {
    const three = [
      { host: 'a', port: 9421 },
      { host: 'b', port: 7 },
      { host: '10.0.0.3', port: 9421 },
    ];
    expect(settings(point, '-H', 'a,b:7,10.0.0.3').masters).toEqual(three);
    expect(settings(point, '-o', 'ro,mfsmaster=a+b:7+10.0.0.3').masters).toEqual(three);
    expect(settings('a,b:5:/dir', point)).toMatchObject({
      subfolder: '/dir',
      masters: [
        { host: 'a', port: 5 },
        { host: 'b', port: 5 },
      ],
    });
    for (const wrong of ['a,', 'a:b', 'a:1:2,b', '+a', 'a:70000'])
      expect(() => settings(point, '-H', wrong)).toThrow("can't resolve master hostname");
  });

  it('takes what mount(8) and fstab say', () => {
    const helper = settings(
      'host:9421:/dir',
      point,
      '-o',
      'rw,noatime,mfsdelayedinit,_netdev,nofail,x-systemd.automount',
    );
    expect(helper.options.mfsdelayedinit).toBe(true);
    expect(helper.mountOptions).toEqual(['rw', 'noatime']);
    expect(settings('mfsmount_magic', point, '-o', 'mfsmaster=h')).toMatchObject({
      masterHost: 'h',
      mountpoint: point,
    });
  });

  it('reads letters with and without a gap, long words, and everything behind --', () => {
    expect(settings('-Hhost', '-m', point).meta).toBe(true);
    expect(settings('--meta', '--', point)).toMatchObject({ meta: true, mountpoint: point });
    expect(settings(point, '-n').allowOther).toBe(false);
    expect(settings(point, '-n', '-o', 'allow_other').allowOther).toBe(true);
    expect(settings(point, '-f').foreground).toBe(true);
    expect(settings(point, '-omfsdebug,mfssuid').mountOptions).toEqual(['suid']);
  });

  it('splits options at commas that no backslash protects', () => {
    expect(splitOptions('a,b=1\\,2,,c')).toEqual(['a', 'b=1,2', 'c']);
  });

  it.each([
    [['-o', 'foo'], /unknown option\(s\): `-o foo'\nerror in fuse_session_new/],
    [['-z'], /unknown option\(s\): `-z'/],
    [['--foo'], /unknown option\(s\): `--foo'/],
    [['extra'], /invalid argument `extra'/],
    [['-o', 'mfsioretries=abc'], /invalid parameter in option `mfsioretries=abc'/],
    [['-o', 'mfssuid=1'], /invalid parameter/],
    [['-o', 'mfscachemode=x'], /unrecognized cachemode option/],
    [['-o', 'mfscachemode=yes,mfscachefiles'], /exclusive - use only mfscachemode/],
    [['-o', 'mfssugidclearmode=zz'], /unrecognized sugidclearmode option/],
    [['-o', 'mfspreflabels=A(B'], /error parsing preferred labels expression/],
    [['-o', 'mfsmd5pass=zz'], /bad md5 definition/],
    [['-o', 'mfspassfile=/nowhere'], /error opening password file: \/nowhere/],
    [['-o', 'mfspassword=a,mfspassfile=b'], /mutually exclusive/],
    [['-o', 'mfsport=0'], /can't resolve master hostname and\/or portname \(mfsmaster:0\)/],
    [['-H'], /missing argument/],
  ])('refuses %j', (argv, message) => {
    expect(() => {
      const line = parseCommandLine([point, '-c', noConfig, ...argv], () => {});
      mountSettings(line, () => {});
    }).toThrow(message);
  });

  it('clamps sizes and time-outs, and says so', () => {
    const { options, timeouts, notes } = settings(
      point,
      '-o',
      'mfswritecachesize=1,mfsreadaheadsize=99999,mfsreadaheadleng=1000,mfsattrcacheto=100000,mfsentrycacheto=-3',
    );
    expect(options).toMatchObject({
      mfswritecachesize: 16,
      mfsreadaheadsize: 2048,
      mfsreadaheadleng: 131072,
      mfsreadaheadtrigger: 1310720,
    });
    expect(timeouts).toMatchObject({ attr: 86400, entry: 0 });
    expect(notes).toEqual([
      'write cache size too low (1 MiB) - increased to 16 MiB',
      'read ahead size too big (99999 MiB) - decresed to 2048 MiB',
      'read ahead length too low (1000 B) - increased to 128 KiB',
      'attribute cache timeout too big (100000.00) - decreased to 86400.00',
      'negative value of entry cache timeout - set to 0',
    ]);
  });

  it('checks the mount point', () => {
    const full = join(folder, 'full');
    mkdirSync(full);
    writeFileSync(join(full, 'x'), '');
    expect(() => settings()).toThrow('no mount point');
    expect(() => settings(full)).toThrow(`mountpoint '${full}' is not empty`);
    expect(settings(full, '-o', 'nonempty').mountpoint).toBe(full);
    expect(() => settings(join(full, 'x'))).toThrow(`given mountpoint '${full}/x' is not a directory`);
    expect(() => settings('/no/such')).toThrow("bad mount point `/no/such': No such file or directory");
  });
});

describe('mfsmount.cfg', () => {
  it('turns lines into arguments', () => {
    const text = '# comment\n; comment\n\n  mfsmaster=h,mfsport=1  \n-f\n/mnt/one\n/mnt/two\n';
    expect(parseMountConfig(text)).toEqual({ args: ['-o', 'mfsmaster=h,mfsport=1', '-f'], mountpoint: '/mnt/two' });
  });

  it('wins over the command line, and its mount point is only a default', () => {
    const file = join(folder, 'a.cfg');
    writeFileSync(file, `mfsmaster=fromfile\n${point}\n`);
    const line = parseCommandLine(['-H', 'fromline', '-c', file], () => {});
    expect(line.options.mfsmaster).toBe('fromfile');
    expect(line.mountpoint).toBe(point);
    expect(parseCommandLine(['/other', '-o', `mfscfgfile=${file}`], () => {}).mountpoint).toBe('/other');
  });

  it('must exist if it is named', () => {
    expect(() => parseCommandLine([point, '-c', '/nowhere'], () => {})).toThrow("cfg file (/nowhere) doesn't exist");
  });
});

describe('passwords', () => {
  it('come in clear, as MD5, or as the whole first line of a file', () => {
    const file = join(folder, 'password');
    writeFileSync(file, 'secret\r\nmore\n');
    const expected = md5('secret');
    expect(settings(point, '-o', 'mfspassword=secret').passwordMd5).toEqual(expected);
    expect(settings(point, '-o', `mfsmd5pass=${expected.toString('hex')}`).passwordMd5).toEqual(expected);
    expect(settings(point, '-o', `mfspassfile=${file}`).passwordMd5).toEqual(expected);
  });

  it('are wiped from the options', () => {
    expect(settings(point, '-o', 'mfspassword=secret').options.mfspassword).toBe('');
  });

  it('must not be empty in a file', () => {
    const file = join(folder, 'nothing');
    writeFileSync(file, '');
    expect(() => settings(point, '-o', `mfspassfile=${file}`)).toThrow(`password file (${file}) is empty`);
    writeFileSync(file, '\nsecond');
    expect(() => settings(point, '-o', `mfspassfile=${file}`)).toThrow(
      `first line in password file (${file}) is empty`,
    );
  });
});

describe('preferred labels', () => {
  it('become masks in order', () => {
    expect(parsePreferredLabels('A;B')).toEqual([[1], [2]]);
    expect(parsePreferredLabels('ab+C ; [d+e]f')).toEqual([
      [3, 4],
      [0b101000, 0b110000],
    ]);
    expect(parsePreferredLabels('A;B;C;D;E;F;G;H;I;J')).toBeUndefined();
    expect(parsePreferredLabels('A)')).toBeUndefined();
    expect(parsePreferredLabels('1')).toBeUndefined();
  });
});
