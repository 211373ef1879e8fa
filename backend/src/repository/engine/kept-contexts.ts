/**
 * Where the native part of Node's zstd streams may be called past their JavaScript. It is not documented, and a Node
 * that expects other arguments would not throw but end the process: so only versions count in which it was read and
 * tried.
 */
const KNOWN_MAJORS: readonly number[] = [24];

/** @param version as `process.versions.node` */
export const knowsNativeZstd = (version: string = process.versions.node): boolean =>
  KNOWN_MAJORS.includes(Number.parseInt(version, 10));
