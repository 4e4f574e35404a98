import type { DataEngine, MasterSession } from '@alces/client';
import type { Notifier } from '@alces/fuse';
import type { Attr } from '@alces/proto';
import type { Clock } from '@alces/runtime';
import type { ExpiringMap } from './caches/expiringMap.ts';
import type { Listings } from './caches/listings.ts';
import type { LookupRecords } from './caches/lookupRecords.ts';
import type { NegativeEntries } from './caches/negativeEntries.ts';
import type { XattrCache } from './caches/xattrCache.ts';
import type { Callers } from './callers.ts';
import type { Handles, OpenDirectory, OpenFiles } from './openFiles.ts';
import type { MountSettings } from './settings/settings.ts';
import type { Statistics } from './statistics.ts';

/** What the operations of one mount share. */
export interface MountContext {
  readonly session: MasterSession;
  readonly engine: DataEngine;
  readonly settings: MountSettings;
  readonly clock: Clock;
  readonly callers: Callers;
  readonly lookups: LookupRecords;
  readonly negatives: NegativeEntries;
  readonly symlinks: ExpiringMap<number, Buffer>;
  readonly xattrs: XattrCache;
  readonly listings: Listings;
  /** Last known attributes of directories: a removed working directory can still be looked at (spec 10 §12.5). */
  readonly vanishing: ExpiringMap<number, Attr>;
  readonly files: OpenFiles;
  readonly directories: Handles<OpenDirectory>;
  readonly statistics: Statistics;
  /** The way to the kernel; undefined until the mount is served. */
  readonly kernel: { notifier: Notifier | undefined };
}

/** The node's attributes or data changed: nothing remembered about it holds. */
export function nodeChanged(context: MountContext, inode: number): void {
  context.lookups.drop(inode);
  context.listings.nodeChanged(inode);
}

/** A name now means something. */
export function nameAppeared(context: MountContext, parent: number, name: Buffer): void {
  context.negatives.remove(parent, name);
  nameChanged(context, parent, name);
}

/** A name means nothing any more. */
export function nameVanished(context: MountContext, parent: number, name: Buffer): void {
  context.negatives.add(parent, name);
  nameChanged(context, parent, name);
}

function nameChanged(context: MountContext, parent: number, name: Buffer): void {
  context.listings.nameChanged(parent, name);
  nodeChanged(context, parent);
}
