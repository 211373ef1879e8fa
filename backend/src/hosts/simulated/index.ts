/** The simulated host (docs/simulated-host.md): what others may import of it. */

export { FAULT_NAMES, requireFaultName } from './faults.ts';
export type { GuestWrite, GuestWritesResult } from './guest-writes.ts';
export { SimulatedHost } from './host.ts';
export type { DiskSource } from './import-disk.ts';
export { createSimulatedHost, openSimulatedHost } from './open.ts';
