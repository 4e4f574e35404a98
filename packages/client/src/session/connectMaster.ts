import { createHash } from 'node:crypto';
import { Port } from '@alces/proto';
import { type Environment, realEnvironment } from '@alces/runtime';
import type { MasterSession } from '../contracts.ts';
import type { MasterAddress, SessionOptions } from '../types.ts';
import { Connector } from './connector.ts';
import { Session } from './masterSession.ts';

const DEFAULT_IO_RETRIES = 30;
const DEFAULT_SILENCE_MS = 10_000;

/** `HOST` or `HOST:PORT`. */
export function parseMasterAddress(text: string): MasterAddress {
  const [host, port, ...more] = text.split(':');
  const number = port === undefined ? Port.CL : Number(port);
  if (host === '' || more.length > 0 || !Number.isInteger(number) || number < 1 || number > 65_535) {
    throw new Error(`not a master address: ${text}`);
  }
  return { host, port: number };
}

function passwordMd5({ password, passwordMd5: digest }: SessionOptions): Buffer | undefined {
  if (password !== undefined) return createHash('md5').update(password).digest();
  if (digest !== undefined && digest.length !== 16) throw new Error('passwordMd5 must have 16 bytes');
  return digest;
}

/**
 * Registers a session with the first master that answers. Throws `MfsError` when it refuses (e.g. BADPASSWORD), another error
 * when none can be reached. From then on the session is kept until `close`.
 */
export async function connectMaster(
  options: SessionOptions,
  environment: Pick<Environment, 'clock' | 'net'> = realEnvironment(),
): Promise<MasterSession> {
  const { clock, net } = environment;
  const addresses = options.masters.map((master) => (typeof master === 'string' ? parseMasterAddress(master) : master));
  const registration = {
    info: options.info,
    subfolder: options.subfolder ?? '/',
    meta: options.meta ?? false,
    passwordMd5: passwordMd5(options),
  };
  const connector = new Connector(net, clock, addresses, registration, {
    bindHost: options.bindHost,
    forgetPassword: options.forgetPassword ?? false,
  });
  const settings = {
    ioRetries: options.ioRetries ?? DEFAULT_IO_RETRIES,
    timeoutMs: options.timeoutMs ?? 0,
    silenceMs: options.silenceMs ?? DEFAULT_SILENCE_MS,
  };
  const session = new Session(connector, settings, clock);
  await session.start(options.delayedInit ?? false);
  return session;
}
