import { chmodSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { reasonOf } from '@alces/runtime';
import type { ControlAnswer, ControlRequest } from './types.ts';

const MOST_REQUEST_BYTES = 65_536;

/** Opens the control socket: one JSON object per line each way. `answer` may reject; its message is the refusal. */
export async function openControl(
  path: string,
  answer: (request: ControlRequest) => Promise<Record<string, unknown>>,
): Promise<{ close(): Promise<void> }> {
  // Whoever opens it holds the node's lock: a socket that is there is a dead one's.
  rmSync(path, { force: true });
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    serve(socket, answer);
  });
  await new Promise<void>((resolve, reject) => {
    server.on('error', reject);
    server.listen(path, resolve);
  });
  chmodSync(path, 0o600);
  return {
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
}

function serve(socket: Socket, answer: (request: ControlRequest) => Promise<Record<string, unknown>>): void {
  let text = '';
  socket.setEncoding('utf8');
  socket.on('data', (piece: string) => {
    text += piece;
    if (text.length > MOST_REQUEST_BYTES) return socket.destroy();
    const lines = text.split('\n');
    text = lines.pop() ?? '';
    for (const line of lines) {
      reply(line, answer).then((reply) => {
        if (socket.writable) socket.write(`${JSON.stringify(reply)}\n`);
      });
    }
  });
}

async function reply(
  line: string,
  answer: (request: ControlRequest) => Promise<Record<string, unknown>>,
): Promise<ControlAnswer> {
  try {
    return { ok: true, ...(await answer(parseRequest(line))) };
  } catch (error) {
    return { ok: false, error: reasonOf(error) };
  }
}

/** Checks what a request consists of. Throws an Error in plain words. */
export function parseRequest(line: string): ControlRequest {
  let request: unknown;
  try {
    request = JSON.parse(line);
  } catch {
    throw new Error('a request is one line of JSON');
  }
  if (typeof request !== 'object' || request === null || !('command' in request)) throw new Error('no command');
  const fields: Record<string, unknown> = { ...request };
  const flag = (key: string) => fields[key] === true;
  const amount = (key: string) => (typeof fields[key] === 'number' && fields[key] > 0 ? fields[key] : undefined);
  switch (fields.command) {
    case 'status':
    case 'demote':
      return { command: fields.command };
    case 'promote': {
      const waitMs = amount('waitMs');
      return { command: 'promote', force: flag('force'), ...(waitMs !== undefined && { waitMs }) };
    }
    case 'switch':
      return { command: 'switch', ...(typeof fields.to === 'string' && { to: fields.to }) };
    case 'resolve':
      if (!flag('discardMyData')) throw new Error('resolve takes discardMyData: true');
      return { command: 'resolve', discardMyData: true };
    case 'maintenance':
      if (typeof fields.on !== 'boolean') throw new Error('maintenance takes on: true or false');
      return { command: 'maintenance', on: fields.on };
    case 'history': {
      const count = amount('count');
      return { command: 'history', ...(count !== undefined && { count }) };
    }
  }
  throw new Error(`unknown command '${String(fields.command)}'`);
}
