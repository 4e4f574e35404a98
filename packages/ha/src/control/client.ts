import { connect } from 'node:net';
import type { ControlAnswer, ControlRequest } from './types.ts';

/** More than this is no answer of a node. */
const MAX_ANSWER_BYTES = 16 << 20;

/**
 * Asks the node behind a control socket. Rejects when nobody listens there (the error's `code` says why), when the answer does not come in
 * time, or when it is none; a refusal (`ok: false`) is an answer.
 */
export function ask(socketPath: string, request: ControlRequest, timeoutMs: number): Promise<ControlAnswer> {
  return new Promise((resolve, reject) => {
    const socket = connect(socketPath);
    const pieces: Buffer[] = [];
    let lengthBytes = 0;
    const fail = (error: Error) => {
      clearTimeout(deadline);
      socket.destroy();
      reject(error);
    };
    const deadline = setTimeout(() => fail(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
    socket.on('connect', () => socket.write(`${JSON.stringify(request)}\n`));
    socket.on('error', fail);
    socket.on('close', () => fail(new Error('the node closed the connection without an answer')));
    socket.on('data', (bytes: Buffer) => {
      const end = bytes.indexOf(0x0a);
      pieces.push(end < 0 ? bytes : bytes.subarray(0, end));
      lengthBytes += bytes.length;
      if (lengthBytes > MAX_ANSWER_BYTES) return fail(new Error('the answer is too long'));
      if (end < 0) return;
      clearTimeout(deadline);
      socket.destroy();
      try {
        resolve(parseAnswer(Buffer.concat(pieces).toString()));
      } catch (error) {
        reject(error);
      }
    });
  });
}

function parseAnswer(line: string): ControlAnswer {
  const answer: unknown = JSON.parse(line);
  if (typeof answer !== 'object' || answer === null || !('ok' in answer)) throw new Error(`not an answer: ${line}`);
  return answer as ControlAnswer;
}
