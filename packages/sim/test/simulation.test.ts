import type { Connection, Environment } from '@alces/runtime';
import { Simulation } from '@alces/sim';
import { describe, expect, it } from 'vitest';

async function echoServer(environment: Environment, port: number): Promise<void> {
  await environment.net.listen({ host: '*', port }, (connection) => ({
    data: (bytes) => connection.write(bytes),
    close() {},
  }));
}

function world(seed: number) {
  const sim = new Simulation(seed);
  return { sim, a: sim.addHost('a', '10.0.0.1'), b: sim.addHost('b', '10.0.0.2') };
}

/** Connects a to b's echo server and collects what comes back. */
async function client(seed: number) {
  const { sim, a, b } = world(seed);
  const events: string[] = [];
  await echoServer(b.environment(), 99);
  let connection: Connection | undefined;
  const attempt = a.environment().net.connect({ host: '10.0.0.2', port: 99, timeoutMs: 100 }, () => ({
    data: (bytes) => events.push(`${sim.nowMs.toFixed(6)} ${bytes}`),
    close: (error) => events.push(`closed ${error?.message ?? ''}`),
  }));
  attempt.then(
    (made) => {
      connection = made;
    },
    (error: Error) => events.push(error.message),
  );
  await sim.runUntil('the connection', 100, () => connection !== undefined);
  if (!connection) throw new Error('not connected');
  return { sim, a, b, events, connection };
}

describe('simulated network', () => {
  it('delivers in order and runs alike from the same seed', async () => {
    const texts: string[] = [];
    for (let round = 0; round < 2; round++) {
      const { sim, connection, events } = await client(7);
      for (let index = 0; index < 20; index++) {
        connection.write(Buffer.from(`<${index}>`));
        await sim.run(0.1);
      }
      await sim.run(10);
      texts.push(events.join('\n'));
      expect(events.map((event) => event.split(' ')[1]).join('')).toBe(
        Array.from({ length: 20 }, (_, index) => `<${index}>`).join(''),
      );
    }
    expect(texts[0]).toBe(texts[1]);
  });

  it('holds data while a link is cut and tells of a killed peer but not of one without power', async () => {
    const { sim, a, b, events, connection } = await client(1);
    sim.network.cut(b, a);
    connection.write(Buffer.from('x'));
    await sim.run(1000);
    expect(events).toEqual([]);
    sim.network.healAll();
    await sim.run(5);
    expect(events).toHaveLength(1);
    b.crash('kill');
    await sim.run(5);
    expect(events[1]).toContain('closed ECONNRESET');

    const silent = await client(2);
    silent.b.crash('power');
    await silent.sim.run(60_000);
    expect(silent.events).toEqual([]);
  });

  it('postpones what reaches a paused host', async () => {
    const { sim, b, events, connection } = await client(3);
    b.pause();
    connection.write(Buffer.from('x'));
    await sim.run(500);
    expect(events).toEqual([]);
    b.resume();
    await sim.run(5);
    expect(events).toHaveLength(1);
  });

  it('refuses where nobody listens and times out where nobody is', async () => {
    const { sim, a, b } = world(4);
    const results: string[] = [];
    const attempt = (host: string) =>
      a
        .environment()
        .net.connect({ host, port: 5, timeoutMs: 50 }, () => ({ data() {}, close() {} }))
        .catch((error: Error) => results.push(error.message.split(':')[0] ?? ''));
    void attempt('10.0.0.2');
    await sim.run(60);
    b.crash('power');
    void attempt('10.0.0.2');
    await sim.run(60);
    expect(results).toEqual(['ECONNREFUSED', 'ETIMEDOUT']);
  });
});

describe('simulated disk', () => {
  it('keeps what was synced and may lose the rest when the power goes', async () => {
    let lost = 0;
    for (let seed = 0; seed < 40; seed++) {
      const { sim, a } = world(seed);
      const { disk } = a.environment();
      let synced = false;
      void (async () => {
        await disk.makeFolder('/d');
        const file = await disk.open('/d/log', 'append');
        await file.write(0, [Buffer.from('safe')]);
        await file.datasync();
        await disk.syncFolder('/d');
        synced = true;
        await file.write(4, [Buffer.from('unsafe')]);
      })();
      await sim.run(100);
      expect(synced).toBe(true);
      a.crash('power');
      a.restart();
      let content = '';
      void a
        .environment()
        .disk.readFile('/d/log')
        .then((bytes) => {
          content = bytes.toString();
        });
      await sim.run(10);
      expect(content.startsWith('safe')).toBe(true);
      expect('safeunsafe'.startsWith(content)).toBe(true);
      if (content !== 'safeunsafe') lost++;
    }
    expect(lost).toBeGreaterThan(5);
  });

  it('keeps everything when only the process is killed, and loses names that were not synced with power', async () => {
    const gone = new Set<boolean>();
    for (let seed = 0; seed < 20; seed++) {
      for (const kind of ['kill', 'power'] as const) {
        const { sim, a } = world(seed);
        void a.environment().disk.open('/d/new', 'append');
        await sim.run(10);
        a.crash(kind);
        a.restart();
        let there = false;
        void a
          .environment()
          .disk.exists('/d/new')
          .then((answer) => {
            there = answer;
          });
        await sim.run(10);
        if (kind === 'kill') expect(there).toBe(true);
        else gone.add(!there);
      }
    }
    expect(gone).toEqual(new Set([true, false]));
  });

  it('reports a full disk', async () => {
    const { sim, a } = world(1);
    a.disk.faults.capacityBytes = 10;
    let code = '';
    void (async () => {
      const file = await a.environment().disk.open('/f', 'append');
      await file.write(0, [Buffer.alloc(11)]).catch((error: NodeJS.ErrnoException) => {
        code = error.code ?? '';
      });
    })();
    await sim.run(10);
    expect(code).toBe('ENOSPC');
  });

  it('gives a program of an earlier life nothing to do any more', async () => {
    const { sim, a } = world(1);
    const { clock, disk } = a.environment();
    const did: string[] = [];
    const late = () => {
      clock.timeout(0, () => did.push('timer'));
      clock.interval(1, () => did.push('interval'));
      const note = (what: string) => () => void did.push(what);
      disk.replaceFile('/f', Buffer.from('x')).then(note('disk'), note('disk'));
    };
    a.crash('kill');
    a.restart();
    late();
    await sim.run(50);
    expect(did).toEqual([]);
    let exists: boolean | undefined;
    void a
      .environment()
      .disk.exists('/f')
      .then((answer) => {
        exists = answer;
      });
    await sim.run(10);
    expect(exists).toBe(false);
  });
});
