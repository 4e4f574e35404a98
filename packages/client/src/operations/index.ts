export * from './administration.ts';
export * from './chunks.ts';
export * from './files.ts';
export * from './locks.ts';
export * from './nodes.ts';
export * from './trash.ts';
export * from './xattrs.ts';
