export { formatVirtualAddress, parseVirtualAddress, type VirtualAddress } from './address.ts';
export { type Fitness, type FitnessFacts, fitness } from './fitness.ts';
export { type Guardian, type GuardianOptions, startGuardian } from './guardian.ts';
export { type HostLink, type HostLinkOptions, hostFiles, INSTANCE, openHostLink } from './hostLink.ts';
export { type HostSide, type HostSideOptions, openHostSide } from './hostSide.ts';
export { createVipKeeper, type VipKeeper, type VipKeeperOptions } from './keeper.ts';
export { type NotifyFifo, type NotifyFifoOptions, openNotifyFifo, type VrrpState, vrrpState } from './notifyFifo.ts';
export { priorityOf, WEIGHTS } from './weights.ts';
