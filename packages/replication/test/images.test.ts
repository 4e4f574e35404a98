import { realEnvironment } from '@alces/runtime';
import { expect, test } from 'vitest';
import { ImageServer } from '../src/shell/images.ts';

/** Images of a state that has come to some version, each made when `finish` is called. */
function served() {
  const { clock, random } = realEnvironment();
  let finish = () => {};
  const closed: number[] = [];
  const state = { version: 10 };
  const server = new ImageServer({
    clock,
    random,
    send: () => {},
    create: async () => {
      const { version } = state;
      await new Promise<void>((resolve) => {
        finish = resolve;
      });
      return {
        version,
        lengthBytes: 4,
        read: async () => Buffer.alloc(4, version),
        close: async () => void closed.push(version),
      };
    },
  });
  return { server, state, closed, finish: () => finish() };
}

test('an image is offered again while it is young enough', async () => {
  const { server, finish } = served();
  const first = server.offer(5);
  finish();
  expect(await server.offer(10)).toEqual(await first);
});

test('an image from before the journal took another course is not offered behind it', async () => {
  const { server, state, closed, finish } = served();
  const first = server.offer(5);
  finish();
  expect((await first).version).toBe(10);
  server.forget();
  expect(closed).toEqual([10]);
  state.version = 8;
  const second = server.offer(5);
  finish();
  expect((await second).version).toBe(8);
});

test('an image that was being made meanwhile is refused', async () => {
  const { server, closed, finish } = served();
  const making = server.offer(5);
  server.forget();
  finish();
  await expect(making).rejects.toThrow('removed from the journal');
  expect(closed).toEqual([10]);
});
