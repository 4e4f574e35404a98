import { createHash } from 'node:crypto';
import { CLTOMA_FUSE_REGISTER, MATOCL_FUSE_REGISTER, OLDEST_MASTER_VERSION, Status, VERSION } from '@alces/proto';
import { MfsError } from '../errors.ts';
import type { SessionParameters } from '../types.ts';
import { type MasterConnection, NotAMaster } from './masterConnection.ts';

/** Patience with each answer of the registration. */
const ANSWER_LIMIT_MS = 3000;

/** What is told to the master at each registration. */
export interface Registration {
  readonly info: string;
  readonly subfolder: string;
  readonly meta: boolean;
  /** MD5 of the password. */
  readonly passwordMd5: Buffer | undefined;
}

/** A session that exists already: it keeps its id, open files and locks (spec 00 §4.7). */
export interface KnownSession {
  readonly sessionId: number;
  readonly metaId: bigint;
}

const zeroTerminated = (text: string): Buffer => Buffer.from(`${text}\0`);

/** MD5(random[0..15], MD5(password), random[16..31]) (spec 00 §4.3). */
export function passwordDigest(random: Buffer, passwordMd5: Buffer): Buffer {
  const hash = createHash('md5').update(random.subarray(0, 16)).update(passwordMd5).update(random.subarray(16));
  return hash.digest();
}

async function proofOfPassword(connection: MasterConnection, passwordMd5: Buffer): Promise<Buffer> {
  const payload = await connection.ask(CLTOMA_FUSE_REGISTER.encode({ layout: 'getRandom' }), ANSWER_LIMIT_MS);
  const answer = MATOCL_FUSE_REGISTER.decode(payload);
  if (answer.layout !== 'random') throw new NotAMaster(`answer of ${payload.length} bytes instead of random bytes`);
  return passwordDigest(answer.random, passwordMd5);
}

function known(session: KnownSession | undefined): { sessionId?: number; metaId?: bigint } {
  if (session === undefined) return {};
  return session.metaId === 0n ? { sessionId: session.sessionId } : { ...session };
}

/** NEWSESSION or NEWMETASESSION, anew for a `session` that exists. Throws MfsError when the master refuses. */
export async function registerSession(
  connection: MasterConnection,
  registration: Registration,
  session?: KnownSession,
): Promise<SessionParameters> {
  const { passwordMd5 } = registration;
  const digest = passwordMd5 === undefined ? undefined : await proofOfPassword(connection, passwordMd5);
  const common = {
    version: VERSION,
    info: zeroTerminated(registration.info),
    ...known(session),
    ...(digest !== undefined && { digest }),
  };
  const frame = registration.meta
    ? CLTOMA_FUSE_REGISTER.encode({ layout: 'newMetaSession', ...common })
    : CLTOMA_FUSE_REGISTER.encode({ layout: 'newSession', path: zeroTerminated(registration.subfolder), ...common });
  const payload = await connection.ask(frame, ANSWER_LIMIT_MS);
  return parametersOf(payload, registration.meta);
}

function parametersOf(payload: Buffer, meta: boolean): SessionParameters {
  const answer = MATOCL_FUSE_REGISTER.decode(payload);
  if (answer.layout === 'status') throw new MfsError(answer.status);
  if (answer.layout !== (meta ? 'metaSession' : 'session')) {
    throw new NotAMaster(`registration answered with ${payload.length} bytes`);
  }
  if (answer.version < OLDEST_MASTER_VERSION) throw new NotAMaster('incompatible mfsmaster version');
  const session = answer.layout === 'session' ? answer : undefined;
  return {
    sessionId: answer.sessionId,
    metaId: answer.metaId,
    masterVersion: answer.version,
    flags: answer.sesflags,
    umask: session?.umask ?? 0,
    rootUid: session?.rootUid ?? 0,
    rootGid: session?.rootGid ?? 0,
    mapAllUid: session?.mapallUid ?? 0,
    mapAllGid: session?.mapallGid ?? 0,
    minGoal: answer.minGoal,
    maxGoal: answer.maxGoal,
    minTrashSeconds: answer.minTrashTime,
    maxTrashSeconds: answer.maxTrashTime,
    disables: session?.disables ?? 0,
  };
}

export type ReconnectResult = 'ok' | 'registerAgain' | 'lost';

/** RECONNECT: attaches the connection to the session (spec 00 §4.6). */
export async function reconnectSession(connection: MasterConnection, session: KnownSession): Promise<ReconnectResult> {
  const metaId = session.metaId === 0n ? {} : { metaId: session.metaId };
  const { sessionId } = session;
  const frame = CLTOMA_FUSE_REGISTER.encode({ layout: 'reconnect', sessionId, version: VERSION, ...metaId });
  const answer = MATOCL_FUSE_REGISTER.decode(await connection.ask(frame, ANSWER_LIMIT_MS));
  if (answer.layout !== 'reconnected' && answer.layout !== 'status')
    throw new NotAMaster('unexpected answer to RECONNECT');
  if (answer.status === Status.OK) return 'ok';
  return answer.status === Status.EPERM ? 'registerAgain' : 'lost';
}

/** CLOSESESSION: the master may drop the session, with its open files and locks. */
export async function closeSession(
  connection: MasterConnection,
  session: KnownSession,
  limitMs: number,
): Promise<void> {
  const metaId = session.metaId === 0n ? {} : { metaId: session.metaId };
  const { sessionId } = session;
  await connection.ask(CLTOMA_FUSE_REGISTER.encode({ layout: 'closeSession', sessionId, ...metaId }), limitMs);
}
