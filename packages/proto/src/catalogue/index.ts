export * from './any.ts';
export * from './chunkops.ts';
export * from './chunks.ts';
export * from './chunkserver.ts';
export * from './data.ts';
export * from './metalogger.ts';
export * from './nodes.ts';
export * from './register.ts';
