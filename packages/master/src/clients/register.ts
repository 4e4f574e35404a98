import type { SessionParameters } from '@alces/metadata';
import { CLTOMA_FUSE_REGISTER, type FieldsOf, MATOCL_FUSE_REGISTER, Status, VERSION } from '@alces/proto';
import type { Core } from '../core.ts';
import { type ExportMatch, matchExport } from '../exports/match.ts';
import { type ExportRecord, SessionFlag } from '../exports/record.ts';
import type { LiveSession } from '../sessions/registry.ts';
import { atLeast, type Client, ClientKind } from './client.ts';
import { type DispatchTable, ProtocolViolation } from './dispatch.ts';
import { resolvePath } from './paths.ts';

type RegisterRequest = FieldsOf<typeof CLTOMA_FUSE_REGISTER>;
type Layout<L extends RegisterRequest['layout']> = Extract<RegisterRequest, { layout: L }>;
type NewSession = Layout<'newSession'> | Layout<'newMetaSession'>;

const RANDOM_BYTES = 32;

/** Registers the messages with which a connection gets and loses its session (spec 00 §4.2-4.10). */
export function addRegistration(table: DispatchTable, core: Core, finish: (client: Client) => void): void {
  const everybody = ClientKind.unregistered | ClientKind.mount | ClientKind.tools;
  table.on(CLTOMA_FUSE_REGISTER, everybody, (client, request) => {
    const registered = client.kind !== ClientKind.unregistered;
    if (registered !== (request.layout === 'closeSession'))
      throw new ProtocolViolation(`CLTOMA_FUSE_REGISTER: ${request.layout} in the wrong state`);
    switch (request.layout) {
      case 'getRandom':
        return getRandom(core, client);
      case 'newSession':
      case 'newMetaSession':
        return newSession(core, client, request);
      case 'reconnect':
        return reconnect(core, client, request);
      case 'tools':
        return tools(core, client, request);
      case 'closeSession':
        return closeSession(core, client, request, finish);
    }
  });
}

function sendRegisterStatus(client: Client, status: number): void {
  client.send(MATOCL_FUSE_REGISTER, { layout: 'status', status });
}

function getRandom(core: Core, client: Client): void {
  const random = core.random.bytes(RANDOM_BYTES);
  // 32 zero bytes would mean "never asked".
  if (random.every((byte) => byte === 0)) random[0] = 1;
  client.random = random;
  client.send(MATOCL_FUSE_REGISTER, { layout: 'random', random });
}

const REFUSALS: Readonly<Record<Exclude<ExportMatch['result'], 'granted'>, number>> = {
  refused: Status.EACCES,
  noPassword: Status.NOPASSWORD,
  badPassword: Status.BADPASSWORD,
};

function newSession(core: Core, client: Client, request: NewSession): void {
  const meta = request.layout === 'newMetaSession';
  if (!meta && request.path.length > 0 && request.path.at(-1) !== 0)
    throw new ProtocolViolation('CLTOMA_FUSE_REGISTER: path without a trailing zero byte');
  const path = meta ? undefined : request.path.subarray(0, Math.max(0, request.path.length - 1));
  const { version, digest } = request;
  const match = matchExport(core.exports.records, { ip: client.ip, version, path, digest, random: client.random });
  if (match.result !== 'granted') {
    core.log.info({ ip: client.connection.remoteAddress, reason: match.result }, 'registration refused');
    sendRegisterStatus(client, REFUSALS[match.result]);
    return;
  }
  const root = path === undefined ? { status: Status.OK, inode: 0 } : resolvePath(core.state, path);
  if (root.status !== Status.OK) {
    sendRegisterStatus(client, root.status);
    return;
  }
  const parameters = sessionParameters(core, client, match.record, root.inode, request.info);
  const session = storeSession(core, parameters, request);
  client.kind = ClientKind.mount;
  client.version = version;
  attach(core, client, session);
  client.send(MATOCL_FUSE_REGISTER, registeredAnswer(core, client, session, meta));
}

function sessionParameters(
  core: Core,
  client: Client,
  record: ExportRecord,
  rootinode: number,
  info: Buffer,
): SessionParameters {
  const meta = rootinode === 0;
  return {
    exportscsum: core.exports.checksum,
    rootinode,
    sesflags: record.sesflags,
    umask: record.umask,
    rootuid: meta ? 0 : record.rootUid,
    rootgid: meta ? 0 : record.rootGid,
    mapalluid: meta ? 0 : record.mapallUid,
    mapallgid: meta ? 0 : record.mapallGid,
    mingoal: record.minGoal,
    maxgoal: record.maxGoal,
    mintrashtime: record.minTrashSeconds,
    maxtrashtime: record.maxTrashSeconds,
    disables: record.disables,
    peerip: client.ip,
    info: withoutTrailingZeros(info),
  };
}

function withoutTrailingZeros(info: Buffer): Buffer {
  let end = info.length;
  while (end > 0 && info[end - 1] === 0) end--;
  return Buffer.from(info.subarray(0, end));
}

/** Changes the session that the client wants to register again, or makes a new one. */
function storeSession(core: Core, parameters: SessionParameters, request: NewSession): LiveSession {
  const now = core.clock.unixSeconds();
  const ours = request.metaId === undefined || request.metaId === core.state.metaid;
  const sessionid = ours ? (request.sessionId ?? 0) : 0;
  const known = sessionid === 0 ? undefined : core.sessions.find(sessionid);
  if (known) {
    core.commit({ op: 'SESCHANGED', sessionid, ...parameters }, now);
    return known;
  }
  const added = core.state.nextsessionid;
  core.commit({ op: 'SESADD', sessionid: 0, ...parameters }, now);
  return core.sessions.find(added)!;
}

function attach(core: Core, client: Client, session: LiveSession): void {
  client.session = session;
  client.attachedAt = core.state.metaversion;
  core.sessions.attach(session, client);
}

/** The success answer for the client's version (spec 00 §4.4, §4.5). */
function registeredAnswer(
  core: Core,
  client: Client,
  session: LiveSession,
  meta: boolean,
): FieldsOf<typeof MATOCL_FUSE_REGISTER> {
  const stored = core.sessions.stored(session.id);
  const fields = {
    version: VERSION,
    sessionId: session.id,
    metaId: core.state.metaid,
    sesflags: stored.sesflags,
    umask: stored.umask,
    rootUid: stored.rootuid,
    rootGid: stored.rootgid,
    mapallUid: stored.mapalluid,
    mapallGid: stored.mapallgid,
    minGoal: stored.mingoal,
    maxGoal: stored.maxgoal,
    minTrashTime: stored.mintrashtime,
    maxTrashTime: stored.maxtrashtime,
    disables: stored.disables,
  };
  const { version } = client;
  if (meta) return { layout: atLeast(version, 11) ? 'metaSession' : 'metaSession19', ...fields };
  if (atLeast(version, 112)) return { layout: 'session', ...fields };
  if (atLeast(version, 72)) return { layout: 'session45', ...fields };
  return { layout: atLeast(version, 11) ? 'session43' : 'session35', ...fields };
}

/** Whether a connection may attach to an existing session (spec 00 §4.6). */
function attachStatus(core: Core, client: Client, sessionId: number, metaId: bigint | undefined): number {
  if (metaId !== undefined && metaId !== core.state.metaid) return Status.BADSESSIONID;
  const stored = core.state.sessions.get(sessionId);
  if (!stored || stored.peerip === 0) return Status.BADSESSIONID;
  if (stored.exportscsum !== core.exports.checksum) return Status.EPERM;
  const anyAddress = (stored.sesflags & SessionFlag.DYNAMICIP) !== 0;
  return anyAddress || stored.peerip === client.ip ? Status.OK : Status.EPERM;
}

function reconnect(core: Core, client: Client, request: Layout<'reconnect'>): void {
  const status = attachStatus(core, client, request.sessionId, request.metaId);
  if (status === Status.OK) {
    client.kind = ClientKind.mount;
    client.version = request.version;
    attach(core, client, core.sessions.find(request.sessionId)!);
  }
  if (atLeast(request.version, 95))
    client.send(MATOCL_FUSE_REGISTER, { layout: 'reconnected', version: VERSION, status });
  else sendRegisterStatus(client, status);
}

function tools(core: Core, client: Client, request: Layout<'tools'>): void {
  const status = attachStatus(core, client, request.sessionId, request.metaId);
  if (status === Status.OK) {
    client.kind = ClientKind.tools;
    client.version = request.version;
    attach(core, client, core.sessions.find(request.sessionId)!);
  }
  sendRegisterStatus(client, status);
}

/** The session in the packet counts, not that of the connection; whatever the answer, the connection ends after it. */
function closeSession(
  core: Core,
  client: Client,
  request: Layout<'closeSession'>,
  finish: (client: Client) => void,
): void {
  const wrong = request.metaId !== undefined && request.metaId !== core.state.metaid;
  const session = wrong ? undefined : core.sessions.find(request.sessionId);
  if (session && session.connections.size === 1) session.closed = true;
  sendRegisterStatus(client, wrong ? Status.BADSESSIONID : Status.OK);
  finish(client);
}
