import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { CLTOMA_ALCES_ATTACH, CLTOMA_ALCES_NUMBERED, findMessage, MESSAGES } from '../src/index.ts';
import { REFERENCE_FILE, renderReference } from '../src/reference.ts';

test('the reference page is what the catalogue says (else run packages/proto/src/reference.ts)', () => {
  expect(readFileSync(REFERENCE_FILE, 'utf8')).toBe(renderReference());
});

test('no number has two meanings on one way of a link', () => {
  const routes = MESSAGES.flatMap((m) => m.routes.map(({ link, direction }) => `${link} ${direction} ${m.number}`));
  expect(new Set(routes).size).toBe(routes.length);
});

test('every message is found by its routes', () => {
  for (const message of MESSAGES) {
    for (const { link, direction } of message.routes) {
      expect(findMessage(link, direction, message.number)).toBe(message);
    }
  }
  expect(findMessage('CL', 'request', 999)).toBeUndefined();
});

test('a reply to a message on CL, DATA and CS has the next number', () => {
  const withoutReply = new Set([0, 1, 2, 499, 700, 701, CLTOMA_ALCES_ATTACH.number, CLTOMA_ALCES_NUMBERED.number]);
  for (const link of ['CL', 'DATA'] as const) {
    for (const message of MESSAGES.filter((m) => m.routes.some((r) => r.link === link && r.direction === 'request'))) {
      if (withoutReply.has(message.number) || message.name.startsWith('CLTOCS_WRITE') || message.number === 200)
        continue;
      expect(findMessage(link, 'reply', message.number + 1), message.name).toBeDefined();
    }
  }
});
