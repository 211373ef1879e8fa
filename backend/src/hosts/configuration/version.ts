/** Configuration versions: `major << 8 | minor` in files, `9.0` elsewhere. */

/** @returns undefined for undefined */
export const versionText = (version: number | undefined): string | undefined =>
  version === undefined ? undefined : `${Math.floor(version / 256)}.${version % 256}`;

/** @returns null when it is no version */
export function versionNumber(text: string): number | null {
  const [, major, minor] = /^(\d{1,3})\.(\d{1,3})$/.exec(text) ?? [];
  if (major === undefined || Number(minor) > 255 || Number(major) > 255) return null;
  return Number(major) * 256 + Number(minor);
}
