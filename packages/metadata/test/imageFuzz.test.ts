import { describe, expect, it } from 'vitest';
import { ImageError, imageBytes } from '../src/index.ts';
import { dump, fixture, load, NOW } from './imageSupport.ts';

const image = fixture('image-1/metadata.mfs');

/** Loads and, if that works, saves and loads again. Anything but success or ImageError is a failure of the test. */
function judge(bytes: Buffer, ignoreErrors: boolean): 'loaded' | 'refused' {
  let state: ReturnType<typeof load>['state'];
  try {
    ({ state } = load(bytes, { ignoreErrors }));
  } catch (error) {
    if (error instanceof ImageError) return 'refused';
    throw error;
  }
  // What was loaded can be saved, and that loads.
  if (ignoreErrors) load(imageBytes(state, { now: NOW }).image, { ignoreErrors });
  return 'loaded';
}

describe('image-1', () => {
  it('is refused with a message at every truncation', () => {
    for (let length = 0; length < image.length; length++) {
      const cut = image.subarray(0, length);
      expect([length, judge(cut, false)]).toEqual([length, 'refused']);
      if (length % 16 === 0) expect([length, judge(cut, true)]).toEqual([length, 'refused']);
    }
  });

  it('is refused or loaded with any single bit flipped', () => {
    const results = { loaded: 0, refused: 0 };
    for (let at = 0; at < image.length; at += 3) {
      const damaged = Buffer.from(image);
      damaged[at] = damaged[at]! ^ (1 << (at % 8));
      results[judge(damaged, at % 4 === 0)]++;
    }
    // Most bytes are ids, lengths and structure; times and modes can't be told from others.
    expect(results.refused).toBeGreaterThan(100);
    expect(results.loaded).toBeGreaterThan(100);
  });

  it('is refused or loaded with any byte set to its extremes', () => {
    for (let at = 8; at < image.length; at += 17) {
      for (const value of [0, 0xff]) {
        const damaged = Buffer.from(image);
        damaged[at] = value;
        judge(damaged, at % 2 === 0);
      }
    }
  });

  it('is dumped as far as it can be read, whatever is damaged', () => {
    for (let at = 0; at < image.length; at += 5) {
      const damaged = Buffer.from(image);
      damaged[at] = damaged[at]! ^ 0xff;
      expect([0, 1]).toContain(dump(damaged).status);
      expect(dump(damaged.subarray(0, at)).status).toBe(1);
    }
  });
});
