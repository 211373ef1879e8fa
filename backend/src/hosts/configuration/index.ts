/** Hyper-V's configuration files: read, described in host-neutral terms, and written. */
export type { ConfiguredCheckpoint } from './checkpoints.ts';
export { type ConfigurationDescription, type ConfiguredVm, describeConfiguration } from './describe.ts';
export type { ConfiguredDisk } from './describe-disks.ts';
export { type HvsFile, type HvsKey, openHvs } from './hvs/open.ts';
export { renderHvs } from './hvs/render.ts';
export type { HvsInput } from './hvs/source.ts';
export type { HvsItem, HvsLeaf, HvsNode, HvsType, HvsValue } from './hvs/values.ts';
export { type RegisteredVm, registeredVms } from './registry.ts';
export { type RenderedConfiguration, type RenderOptions, renderConfiguration } from './render-configuration.ts';
export { describeRuntime, type RuntimeDescription } from './runtime.ts';
export { templateId, templateName } from './secure-boot.ts';
