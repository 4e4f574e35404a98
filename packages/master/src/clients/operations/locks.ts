import {
  CLTOMA_FUSE_FLOCK,
  CLTOMA_FUSE_POSIX_LOCK,
  MATOCL_FUSE_FLOCK,
  MATOCL_FUSE_POSIX_LOCK,
  PosixLockCommand,
  Status,
} from '@alces/proto';
import type { DispatchTable } from '../dispatch.ts';
import { MOUNTS, type Requests } from '../requests.ts';

/** Registers the lock requests (spec 10 §8). */
export function addLockRequests(table: DispatchTable, { core, locks }: Requests): void {
  table.on(CLTOMA_FUSE_FLOCK, MOUNTS, (client, request) => {
    const sessionId = client.session!.id;
    const status = locks.flocks.request({ ...request, sessionId }, core.clock.unixSeconds());
    if (status !== Status.WAITING) client.sendStatus(MATOCL_FUSE_FLOCK.number, request.msgid, status);
  });

  table.on(CLTOMA_FUSE_POSIX_LOCK, MOUNTS, (client, request) => {
    const { msgid, cmd } = request;
    const lock = { ...request, sessionId: client.session!.id };
    const answer = (status: number) => client.sendStatus(MATOCL_FUSE_POSIX_LOCK.number, msgid, status);
    switch (cmd) {
      case PosixLockCommand.GET:
        return client.send(MATOCL_FUSE_POSIX_LOCK, { layout: 'data', msgid, ...locks.posix.test(lock) });
      case PosixLockCommand.SET:
      case PosixLockCommand.TRY: {
        const status = locks.posix.change(lock, cmd, core.clock.unixSeconds());
        return status === Status.WAITING ? undefined : answer(status);
      }
      case PosixLockCommand.INT:
        locks.posix.interrupt(lock.sessionId, lock.inode, lock.reqid);
        return answer(Status.OK);
      default:
        return answer(Status.EINVAL);
    }
  });
}
