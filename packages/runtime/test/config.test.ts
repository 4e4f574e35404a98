import { parseCInteger, parseConfig, parseSize } from '@alces/runtime';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

const value = (line: string, key = 'K') => parseConfig(`${line}\n`, 'x.cfg').raw(key);
const bad = (line: string) => parseConfig(`${line}\n`, 'x.cfg').warnings.length;

describe('configuration grammar (spec 60 §1.2)', () => {
  it('takes the lines of the table', () => {
    expect(value('K = v # c')).toBe('v # c');
    expect(value('K=v\t# c')).toBe('v');
    expect(value('K="q x"')).toBe('"q x"');
    expect(value('  K =  a b  ')).toBe('a b');
    expect(value('K =')).toBe('');
    expect(value('K=1\nK=2')).toBe('2');
    expect(value('K = v\r')).toBe('v');
  });

  it('refuses bad definitions and ignores bare words', () => {
    for (const line of ['K=a\tb', 'K=ż', 'K 12 = x', '=x', 'K17 : x', '; x', ' # x']) {
      expect(bad(line), line).toBe(1);
      expect(value(line)).toBeUndefined();
    }
    for (const line of ['K8', '[section]', '# c', '', '   ']) expect(bad(line), line).toBe(0);
  });

  it('never throws', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 3000 }), (bytes) => void parseConfig(Buffer.from(bytes), 'x.cfg')),
    );
  });
});

describe('values (spec 60 §1.3)', () => {
  it('reads numbers as C does', () => {
    expect(parseCInteger('010')).toBe(8n);
    expect(parseCInteger('0x1F')).toBe(31n);
    expect(parseCInteger(' -5 # c')).toBe(-5n);
    expect(parseCInteger('yes')).toBe(0n);
    expect(parseCInteger('08')).toBe(0n);
    const config = parseConfig('A = -1\nB = 300\nC = yes\nD = 5000\n', 'x.cfg');
    expect(config.number('A', 0)).toBe(4294967295);
    expect(config.number('B', 0, {}, 8)).toBe(44);
    expect(config.boolean('C', true)).toBe(false);
    expect(config.number('D', 1, { max: 1000 })).toBe(1000);
    expect(config.number('MISSING', 7)).toBe(7);
  });

  it('reads sizes', () => {
    expect(parseSize('256MiB')).toBe(268435456);
    expect(parseSize('1.5k')).toBe(1500);
    expect(parseSize('.5GiB')).toBe(536870912);
    expect(parseSize('10')).toBe(10);
    expect(parseSize('1K')).toBeUndefined();
    expect(parseSize('1m')).toBeUndefined();
    expect(parseSize('')).toBeUndefined();
  });
});
