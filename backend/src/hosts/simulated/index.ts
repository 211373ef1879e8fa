/** The simulated host (DESIGN §4): what others may import of it. */
export type { CreatedVm, CreateVmOptions } from './create-vm.ts';
export { FAULT_NAMES, FAULTS, type Fault, type FaultName, requireFaultName } from './faults.ts';
export type { GuestWrite, GuestWritesResult } from './guest-writes.ts';
export { SimulatedHost } from './host.ts';
export type { DiskSource } from './import-disk.ts';
export { createSimulatedHost, type OpenOptions, openSimulatedHost } from './open.ts';
export type { RandomWrites } from './random-writes.ts';
