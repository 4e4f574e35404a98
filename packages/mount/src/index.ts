export { main } from './main.ts';
export { startMount } from './mount.ts';
export type { RunningMount } from './serving.ts';
export { type CommandLine, parseCommandLine } from './settings/commandLine.ts';
export { type MountSettings, mountSettings } from './settings/settings.ts';
export { UsageError } from './settings/usageError.ts';
