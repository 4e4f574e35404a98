/** The worked examples of the protocol description: payloads and what they mean. */
import { describe, expect, test } from 'vitest';
import { type Direction, encodeFrame, findMessage, type Link } from '../src/index.ts';

interface Example {
  readonly link: Link;
  readonly direction: Direction;
  readonly type: number;
  /** Payload in hex; blanks are for the reader. */
  readonly hex: string;
  readonly fields: Record<string, unknown>;
  /** The layout, where only the request tells. */
  readonly layout?: string;
}

const text = (s: string) => Buffer.from(s, 'latin1');
const BLOB = text('DjI1GAQDULI5d2YjA26ypc3ovkhjvhciTQVx3CS4nYgtBoUcsljiVpsErJENHaw0').toString('hex');

function example(
  link: Link,
  direction: Direction,
  type: number,
  hex: string,
  fields: Record<string, unknown>,
): Example {
  return { link, direction, type, hex, fields };
}

const ask = (type: number, hex: string, fields: Record<string, unknown>) => example('CL', 'request', type, hex, fields);
const answer = (type: number, hex: string, fields: Record<string, unknown>) =>
  example('CL', 'reply', type, hex, fields);

const ATTR_OF_A = '08 11a4 00000000 00000000 6b00bd73 6b00bd73 6b00bd73 00000001 0000000000000006 00';
const attrOfA = { flags: 8, type: 1, mode: 0o644, uid: 0, gid: 0, nlink: 1, length: 6, rdev: 0, winattr: 0 };

const BASICS: readonly Example[] = [
  ask(10, '00000007', { msgid: 7 }),
  answer(11, '00000007 000300ea 332e302e3131372d31', {
    layout: 'msgid',
    msgid: 7,
    version: 0x300ea,
    text: text('3.0.117-1'),
  }),
  example('ML', 'reply', 11, '000300ea 332e302e3131372d31', {
    layout: 'plain',
    version: 0x300ea,
    text: text('3.0.117-1'),
  }),
  ask(80, '00000005 09 444154415f50415448', { msgid: 5, option: text('DATA_PATH') }),
  answer(81, '00000005 0c 2f7661722f6c69622f6d6673', { msgid: 5, value: text('/var/lib/mfs') }),
  answer(81, '00000005 00', { msgid: 5, value: text('') }),
  answer(702, '00000000 00000003 00000000 0000000000000001 00000002 0000000000000003 01', {
    inode: 3,
    index: 0,
    chunkId: 1,
    version: 2,
    length: 3,
    truncateFlag: 1,
  }),
  answer(703, '00000000 00000003 000000000000000c', { inode: 3, length: 12 }),
  ask(704, '00000000', { msgid: 0 }),
  answer(705, '00000000 000660bc08b5e365', { msgid: 0, timeUs: 0x660bc08b5e365 }),
];

const REGISTRATION: readonly Example[] = [
  ask(400, `${BLOB} 02 000300ea 00000009 2f6d6e742f6d667300 00000002 2f00`, {
    layout: 'newSession',
    version: 0x300ea,
    info: text('/mnt/mfs\0'),
    path: text('/\0'),
    sessionId: undefined,
    metaId: undefined,
    digest: undefined,
  }),
  answer(
    401,
    '000300ea 00000001 6b00bd3f8c97db48 08 0000 00000000 00000000 000003e7 000003e7 01 09 00000000 ffffffff 00000000',
    { layout: 'session', sessionId: 1, metaId: 0x6b00bd3f8c97db48n, sesflags: 8, mapallUid: 999, maxGoal: 9 },
  ),
  answer(401, '000300ea 00000004 6b00bd3f8c97db48 00 01 09 00000000 ffffffff', {
    layout: 'metaSession',
    sessionId: 4,
    maxTrashTime: 0xffff_ffff,
  }),
  ask(400, `${BLOB} 03 00000001 000300ea 6b00bd3f8c97db48`, {
    layout: 'reconnect',
    sessionId: 1,
    version: 0x300ea,
    metaId: 0x6b00bd3f8c97db48n,
  }),
  answer(401, '000300ea 23', { layout: 'reconnected', version: 0x300ea, status: 35 }),
  ask(400, `${BLOB} 06 0000000b 6b00bd3f8c97db48`, { layout: 'closeSession', sessionId: 11 }),
  answer(401, '00', { layout: 'status', status: 0 }),
];

const NODES: readonly Example[] = [
  ask(408, '00000001 00000001 00 00000000 00000000', { msgid: 1, inode: 1, opened: 0, uid: 0, gid: 0 }),
  answer(409, '00000001 0c 21ff 00000000 00000000 6b00bd2a 6b00bd2a 6b00bd2a 00000002 0000000000000001 00', {
    layout: 'data',
    attr: expect.objectContaining({ type: 2, mode: 0o777, nlink: 2, length: 1 }),
  }),
  answer(
    403,
    '00000001 000000195d960000 00000013c2cc9000 00000013c2cc9000 0000000000000000 0000000000000000 00000001',
    { layout: 'data', total: 0x195d960000, avail: 0x13c2cc9000, free: 0x13c2cc9000, trash: 0, inodes: 1 },
  ),
  ask(406, '00000001 00000001 01 61 00000000 00000001 00000000', { parent: 1, name: text('a'), uid: 0, gids: [0] }),
  answer(407, '00000001 03', { layout: 'status', status: 3 }),
  answer(407, `00000001 00000003 ${ATTR_OF_A} 01ff 02 0000000000000001 00000001 0a620a0b 24ce 000300ea 00000000`, {
    layout: 'data',
    inode: 3,
    attr: expect.objectContaining(attrOfA),
    lflags: 0x1ff,
    chunk: { chunkId: 1, version: 1, servers: [{ ip: 0x0a620a0b, port: 9422, csVersion: 0x300ea, labelMask: 0 }] },
  }),
  ask(406, '00000002 00000001 02 6767 000003e8 00000003 000003e8 00000005 00000007', {
    name: text('gg'),
    uid: 1000,
    gids: [1000, 5, 7],
  }),
  ask(418, '00000002 00000001 01 61 01ff 0012 00000000 00000001 00000000 01', {
    mode: 0o777,
    umask: 0o022,
    gids: [0],
    copysgid: 1,
  }),
  ask(482, '00000002 00000002 01 66 01b6 0012 00000000 00000001 00000000', { parent: 2, name: text('f'), mode: 0o666 }),
  answer(483, `00000002 00 00000003 ${ATTR_OF_A}`, { layout: 'data', oflags: 0, inode: 3 }),
  ask(430, '00000002 00000003 00000000 00000001 00000000 15', { inode: 3, gids: [0], flags: 0x15 }),
  answer(431, `00000002 01 ${ATTR_OF_A}`, { layout: 'data', oflags: 1 }),
  ask(410, '00000001 00000003 00 00000000 00000001 00000000 02 01a0 00000000 00000000 00000000 00000000 00 04', {
    inode: 3,
    setmask: 2,
    mode: 0o640,
    winattr: 0,
    sugidclearmode: 4,
  }),
  ask(464, '00000002 00000003 01 00000000 00000001 00000000 0000000000000003', { inode: 3, flags: 1, length: 3 }),
  answer(465, `00000002 0000000000000006 ${ATTR_OF_A}`, { layout: 'data', prevLength: 6 }),
  ask(428, '00000002 00000001 00000000 00000001 00000000 01 ffffffff 0000000000000000', {
    inode: 1,
    flags: 1,
    maxEntries: 0xffff_ffff,
    nedgeid: 0n,
  }),
  answer(429, '00000002 0000000000000000 01 2e 0000005a 02  02 2e2e 00000001 02  02 6534 00000060 01', {
    layout: 'plain',
    nedgeid: 0n,
    entries: [
      { name: text('.'), inode: 0x5a, type: 2 },
      { name: text('..'), inode: 1, type: 2 },
      { name: text('e4'), inode: 0x60, type: 1 },
    ],
  }),
  ask(414, '00000001 00000002 01 73 00000007 74617267657400 00000000 00000001 00000000', {
    name: text('s'),
    path: text('target\0'),
  }),
  answer(413, '00000002 00000007 74617267657400', { layout: 'data', path: text('target\0') }),
  ask(416, '00000001 00000002 03 646576 06 01b6 0012 00000000 00000001 00000000 00000507', {
    name: text('dev'),
    type: 6,
    rdev: 0x507,
  }),
  ask(424, '00000001 00000002 01 67 00000002 01 68 00000000 00000001 00000000', {
    srcName: text('g'),
    dstParent: 2,
    dstName: text('h'),
  }),
  ask(426, '00000004 00000003 00000002 01 67 00000000 00000001 00000000', { inode: 3, dstParent: 2, name: text('g') }),
  answer(421, '00000002 00000003', { layout: 'data', inode: 3 }),
  answer(423, '00000001 07', { layout: 'status', status: 7 }),
];

const ATTRIBUTES_AND_LOCKS: readonly Example[] = [
  ask(480, '00000004 00000003 06 757365722e78 00000002 7979 00 00 00000000 00000001 00000000', {
    name: text('user.x'),
    value: text('yy'),
    mode: 0,
  }),
  ask(478, '00000001 00000003 00 01 00 00000000 00000001 00000000', { name: text(''), mode: 1 }),
  { ...answer(479, '00000001 00000007', { layout: 'length', length: 7 }), layout: 'length' },
  answer(479, '00000004 00000007 757365722e7800', { layout: 'value', value: text('user.x\0') }),
  ask(490, '00000004 00000003 00000000 01 0006 0004 0000 0006 0001 0000 000003e9 0006', {
    aclType: 1,
    user: 6,
    group: 4,
    other: 0,
    mask: 6,
    users: [{ id: 1001, perm: 6 }],
    groups: [],
  }),
  ask(492, '00000004 00000050 00000001 0ffd49555ca029fb 04', { owner: 0x0ffd49555ca029fbn, cmd: 4 }),
  ask(494, '00000001 00000050 00000001 89975d4336794f24 00000891 01 02 0000000000000005 000000000000000f', {
    cmd: 1,
    type: 2,
    start: 5n,
    end: 15n,
  }),
  answer(495, '00000001 00000891 02 0000000000000005 000000000000000f', { layout: 'data', pid: 0x891, type: 2 }),
];

const TOOLS: readonly Example[] = [
  answer(451, '00000001 07 74726173686d65 00000059', {
    layout: 'data',
    entries: [{ name: text('trashme'), inode: 89 }],
  }),
  answer(443, '00000008 00000001 00000001 00015180 00000002 00015180 00000002', {
    files: [{ seconds: 86_400, count: 2 }],
    dirs: [{ seconds: 86_400, count: 2 }],
  }),
  ask(444, '0000000b 0000004a 00000000 00000e11 00', { seconds: 3601, smode: 0 }),
  answer(445, '0000000b 00000001 00000000 00000000', { changed: 1, notChanged: 0, notPermitted: 0 }),
  answer(447, '00000026 01 00 ff 0c 6b6c31373935323131303335 00000001', {
    files: [{ goal: 255, name: text('kl1795211035'), count: 1 }],
    dirs: [],
  }),
  ask(448, '0000001b 0000004a 00000000 03 00', { layout: 'goal', goal: 3, smode: 0 }),
  ask(
    350,
    `00000023 0c 6b6c31373935323131303335 00 00 01 0000 01 01 01 ${'00000001 00000000 00000000 00000000'.repeat(3)}`,
    { name: text('kl1795211035'), mode: 1, create: [[1, 0, 0, 0]], keep: [[1, 0, 0, 0]], arch: [[1, 0, 0, 0]] },
  ),
  answer(473, '00000020 02 02 00 00000005 10 0000000c 00 00000002 10 00000003', {
    files: [
      { eattr: 0, count: 5 },
      { eattr: 16, count: 12 },
    ],
    dirs: [
      { eattr: 0, count: 2 },
      { eattr: 16, count: 3 },
    ],
  }),
  answer(
    463,
    '0000002b 00000005 00000002 00000002 00000000 00000000 00000000 00000000 00000000 00000000042c1d80 0000000000000000 0000000000000000',
    { layout: 'data', inodes: 5, dirs: 2, files: 2, chunks: 0, length: 70_000_000, size: 0 },
  ),
  answer(441, '00000030 0000000000000000 00000000', { layout: 'copies', chunkId: 0, version: 0, copies: [] }),
  ask(438, '00000046 00 0000004d 0000004e 00000000 80000000 00000000 00000001 00000000', {
    dst: 0x4d,
    src: 0x4e,
    from: 0,
    to: 0x8000_0000,
  }),
  ask(468, '0000000f 00000027 00000025 03 736e31 00000000 00000001 00000000 00 0000', {
    src: 0x27,
    smode: 0,
    umask: 0,
  }),
  answer(547, '00000033 0001 7fffffffffffffa0 0000004c 0000004a', {
    layout: 'directoryMsgid',
    msgid: 0x33,
    continueId: 0x7fffffffffffffa0n,
    inodes: [0x4c, 0x4a],
  }),
  answer(547, '00000036 0002 0000000000000000 00000000042c1d80', {
    layout: 'fileMsgid',
    length: 70_000_000,
    chunks: [],
  }),
  answer(547, '0001 7fffffffffffffa0 0000004c 0000004a', { layout: 'directory', inodes: [0x4c, 0x4a] }),
  answer(487, '00000042 0000001b 2e2f54524153482028733137393532313039 31302f7372632f6629', {
    paths: [text('./TRASH (s1795210910/src/f)')],
  }),
  answer(497, '00000057 0000000000000000 0000000000000000 00000000', { layout: 'changes', notPermitted: 0 }),
];

const CHUNKSERVER: readonly Example[] = [
  example(
    'CS',
    'request',
    100,
    `3c 000300ea 0a621e0b 24ce 0000 0001 00000006b55ab000 000000195d960000 00000002 ${'00'.repeat(20)}`,
    { layout: 'begin', ip: 0x0a621e0b, port: 9422, timeout: 0, csid: 1, usedSpace: 28_812_423_168, chunks: 2 },
  ),
  example('CS', 'reply', 104, '00 000300ea 000a 0001 6b00bd2f0b2c39e8', {
    layout: 'accepted',
    timeout: 10,
    csid: 1,
    metaId: 0x6b00bd2f0b2c39e8n,
  }),
  example('CS', 'reply', 104, `03 ${'000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f'}`, {
    layout: 'challenge',
  }),
  example(
    'CS',
    'request',
    100,
    `3c 71ff807fe71e979e9d3977156664b8f1 000300ea 0a621e0c 24ce 000a 0007 ${'00'.repeat(40)}`,
    {
      layout: 'beginAuth',
      timeout: 10,
      csid: 7,
    },
  ),
  example('CS', 'request', 100, '3d 0000000000000001 00000002 0000000000000003 00000001', {
    layout: 'chunks',
    chunks: [
      { chunkId: 1, version: 2 },
      { chunkId: 3, version: 1 },
    ],
  }),
  example('CS', 'reply', 104, '00', { layout: 'next' }),
  example('CS', 'request', 100, '3e', { layout: 'end' }),
  example('CS', 'request', 109, '00000005', { labelMask: 5 }),
  example('CS', 'request', 103, '00000000 01', { load: 0, status: 1 }),
  example('CS', 'reply', 140, '0000000000000001 00000003 00000002', { chunkId: 1, newVersion: 3, version: 2 }),
  example('CS', 'request', 111, '0000000000000004 00', { chunkId: 4, status: 0 }),
];

const METALOGGER: readonly Example[] = [
  example('ML', 'request', 50, '02 000300ea 000a 0000000000000081', { layout: 'fromVersion', metaVersion: 129 }),
  example('ML', 'reply', 51, 'ff 000000000000000c 313739353231303830387c554e4c4f434b28312900', {
    layout: 'change',
    metaVersion: 12,
    text: text('1795210808|UNLOCK(1)'),
  }),
  example('ML', 'reply', 51, '55', { layout: 'rotate' }),
  example('ML', 'reply', 61, '000000000000002d', { layout: 'size', size: 45 }),
  example('ML', 'reply', 61, 'ff', { layout: 'failed', status: 255 }),
  example('ML', 'request', 62, '0000000000000000 00000008', { offset: 0, length: 8 }),
  example('ML', 'reply', 63, '0000000000000000 00000008 782fde54 4d46534d204e4557', {
    offset: 0,
    crc: 0x782fde54,
    data: text('MFSM NEW'),
  }),
];

const GROUPS = { BASICS, REGISTRATION, NODES, ATTRIBUTES_AND_LOCKS, TOOLS, CHUNKSERVER, METALOGGER };

describe.each(Object.entries(GROUPS))('%s', (_group, examples) => {
  test.each(examples)('$link $direction $type $hex', ({ link, direction, type, hex, fields, layout }) => {
    const payload = Buffer.from(hex.replaceAll(' ', ''), 'hex');
    const message = findMessage(link, direction, type)!;
    const decoded = message.decode(payload, layout === undefined ? {} : { layout });
    expect(decoded).toMatchObject(fields);
    expect(message.encode(decoded).toString('hex')).toBe(encodeFrame(type, payload).toString('hex'));
  });
});
