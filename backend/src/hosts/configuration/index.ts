/** Hyper-V's configuration files: read, described in host-neutral terms, and written. */

export { type ConfigurationDescription, type ConfiguredVm, describeConfiguration } from './describe.ts';

export { openHvs } from './hvs/open.ts';
export { renderHvs } from './hvs/render.ts';
export type { HvsInput } from './hvs/source.ts';
export type { HvsItem } from './hvs/values.ts';
export { registeredVms } from './registry.ts';
export { renderConfiguration } from './render-configuration.ts';
export { describeRuntime, type RuntimeDescription } from './runtime.ts';
export { templateId, templateName } from './secure-boot.ts';
