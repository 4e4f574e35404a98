import { createHash } from 'node:crypto';
import { CSTOMA_REGISTER, VERSION } from '@alces/proto';
import type { Identity } from '../disks/identity.ts';
import { spaceTotals } from '../disks/totals.ts';
import { ipNumber } from '../net/address.ts';
import type { Store } from '../store/context.ts';
import type { LinkSettings } from './settings.ts';

const GENERATION_5_TIMEOUT_SECONDS = 10;

/** How the registration begins: generation 6, or 5 for masters that close on it. */
export type Generation = 5 | 6;

/** The first message of a registration (spec 30 §1.5); `digest` answers a challenge. */
export function beginFrame(
  server: { settings(): LinkSettings; identity(): Identity; store: Store },
  generation: Generation,
  digest: Buffer | undefined,
): Buffer {
  const { masterTimeoutSeconds, listenHost, listenPort } = server.settings();
  const address = { version: VERSION, ip: ipNumber(listenHost), port: listenPort };
  if (generation === 5)
    return CSTOMA_REGISTER.encode({
      layout: 'begin50',
      ...address,
      timeout: masterTimeoutSeconds || GENERATION_5_TIMEOUT_SECONDS,
    });
  const csid = server.identity().chunkserverId;
  const fields = { ...address, timeout: masterTimeoutSeconds, csid, ...spaceTotals(server.store) };
  return CSTOMA_REGISTER.encode(digest ? { layout: 'beginAuth', digest, ...fields } : { layout: 'begin', ...fields });
}

/** The answer to a challenge (spec 30 §1.7). */
export function challengeDigest(challenge: Buffer, authCode: string): Buffer {
  return createHash('md5')
    .update(challenge.subarray(0, 16))
    .update(Buffer.from(authCode, 'latin1'))
    .update(challenge.subarray(16))
    .digest();
}
