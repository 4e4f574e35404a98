export * from './chunks.ts';
export * from './files.ts';
export * from './nodes.ts';
