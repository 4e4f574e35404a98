/** Entries of stock masters that the stock replayer cannot replay (spec 51, section 7). */
import { Status } from '@alces/proto';
import { expect, test } from 'vitest';
import { Scene } from './support/scene.ts';

/** A file with a chunk and two sessions. */
function scene(): Scene {
  const s = new Scene();
  s.session();
  s.session();
  s.do('CREATE(1,f,1,420,0,0,0,0):2', 'WRITE(2,0,1,0):1', 'UNLOCK(1)', 'ACQUIRE(1,2)', 'ACQUIRE(2,2)');
  return s;
}

test.each([
  ['ACQUIRE(1,2)', Status.MISMATCH],
  ['RELEASE(1,77)', Status.MISMATCH],
  ['SESDEL(9)', Status.BADSESSIONID],
  ['SESDISCONNECTED(9)', Status.NOTFOUND],
  ['UNLOCK(99)', Status.NOCHUNK],
])('%s without anything to do it on', (line, status) => {
  const strict = scene();
  const version = strict.state.metaversion;
  expect(strict.replay(line, 'strict')).toBe(status);
  expect(strict.state.metaversion).toBe(version);
  const tolerant = scene();
  expect(tolerant.replay(line)).toBe(Status.OK);
  expect(tolerant.state.metaversion).toBe(version + 1);
  expect(tolerant.deviations).toHaveLength(1);
});

test('a conversion of a flock that was not logged', () => {
  const s = scene();
  s.do('FLOCK(2,1,5,W)');
  expect(s.replay('FLOCK(2,2,6,R)', 'strict')).toBe(Status.MISMATCH);
  expect(s.replay('FLOCK(2,2,6,R)')).toBe(Status.OK);
  expect(s.state.flocks.get(2)).toEqual([
    { session: 1, owner: 5n, exclusive: false },
    { session: 2, owner: 6n, exclusive: false },
  ]);
  expect(s.replay('FLOCK(2,2,6,W)')).toBe(Status.MISMATCH);
  expect(s.deviations).toHaveLength(1);
});

test('a POSIX lock granted because another session vanishes with the next line', () => {
  const s = scene();
  s.do('POSIXLOCK(2,1,5,W,0,10,100)');
  expect(s.replay('POSIXLOCK(2,2,6,W,5,15,200)', 'strict')).toBe(Status.MISMATCH);
  expect(s.replay('POSIXLOCK(2,2,6,W,5,15,200)')).toBe(Status.OK);
  expect(s.replay('SESDEL(1)')).toBe(Status.OK);
  const ranges = [{ start: 5n, end: 15n, write: true }];
  expect(s.state.posixLocks.get(2)).toEqual([{ session: 2, owner: 6n, pid: 200, ranges }]);
});

test('REPAIR of an entry whose chunk is unknown', () => {
  const s = scene();
  s.do('CREATE(1,h,1,420,0,0,0,0):3', 'WRITE(3,0,1,0):2', 'UNLOCK(2)', 'SETFILECHUNK(2,0,2)', 'SETFILECHUNK(3,0,0)');
  s.do('SETFILECHUNK(3,0,777)');
  expect(s.replay('REPAIR(3,0):0', 'strict')).toBe(Status.NOCHUNK);
  expect(s.replay('REPAIR(3,0):0')).toBe(Status.OK);
  expect(s.state.nodes.chunkAt(s.row(3), 0)).toBe(0);
});

test('REPAIR that sets a version counts one change, in the stock replayer two', () => {
  const s = scene();
  const version = s.state.metaversion;
  expect(s.replay('REPAIR(2,0):7')).toBe(Status.OK);
  expect(s.state.metaversion).toBe(version + 1);
  expect(s.state.chunks.version.get(s.state.chunks.find(1))).toBe(7);
  expect(s.replay('REPAIR(2,0):8', 'strict')).toBe(Status.OK);
  expect(s.state.metaversion).toBe(version + 3);
});

test('SETSCLASS of a session that may not touch admin-only classes', () => {
  const s = scene();
  const masks = Array(12).fill(0).join(',');
  s.do(`SCSET(adm,1,W1,K1,A1,1,0,1,${masks}):10`, 'CREATE(1,d,2,511,0,0,0,0):3', 'CREATE(3,a,1,420,0,0,0,0):4');
  s.do('SETSCLASS(4,0,1,10,0):1,0,0', 'CREATE(3,b,1,420,0,0,0,0):5');
  expect(s.replay('SETSCLASS(3,0,3,3,4):2,0,1')).toBe(Status.OK);
  expect([3, 4, 5].map((inode) => s.state.nodes.sclass.get(s.row(inode)))).toEqual([3, 10, 3]);
  expect(s.deviations).toHaveLength(1);
});

test('ARCHCHG of the background check on an immutable file', () => {
  const s = scene();
  s.do('SETEATTR(2,0,128,1):1,0,0');
  expect(s.replay('ARCHCHG(2,0,1):1,0,0', 'strict')).toBe(Status.EPERM);
  expect(s.replay('ARCHCHG(2,0,1):1,0,0')).toBe(Status.OK);
  expect(s.state.chunks.archive.get(s.state.chunks.find(1))).toBe(1);
});

test('SNAPSHOT of a stock master whose chunk table was longer', () => {
  const s = scene();
  s.do('SNAPSHOT(2,1,copy,0,72,0,[0],0):0,0,0,0,0,0');
  const copy = s.state.maxinode;
  s.do('WRITE(2,3,1,0):2', 'UNLOCK(2)', 'SETFILECHUNK(2,3,0)', 'LENGTH(2,100,0)', `LENGTH(${copy},100,0)`);
  s.state.nodes.resizeSlots(s.row(2), 4); // as a failed WRITE leaves it in the memory of the stock master
  expect(s.replay('SNAPSHOT(2,1,copy,1,72,0,[0],0):0,0,1,0,0,0')).toBe(Status.OK);
  expect(s.state.edges.child.get(s.state.edges.find(s.row(1), Buffer.from('copy')))).toBe(s.row(copy));
  expect(s.deviations).toEqual([]);
});

test('a MOVE onto itself, which the stock program turns into a loss, changes nothing', () => {
  const s = scene();
  expect(s.replay('MOVE(1,f,1,f):2')).toBe(Status.OK);
  expect(s.state.edges.find(s.row(1), Buffer.from('f'))).not.toBe(0);
  s.do('CREATE(1,d,2,511,0,0,0,0):3');
  expect(s.replay('MOVE(1,d,3,x):3')).toBe(Status.EINVAL);
});
