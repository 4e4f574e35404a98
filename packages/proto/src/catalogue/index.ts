export * from './any.ts';
export * from './chunks.ts';
export * from './data.ts';
export * from './nodes.ts';
export * from './register.ts';
